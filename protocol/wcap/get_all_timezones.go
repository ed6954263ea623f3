package wcap

type zoneCache struct{}
