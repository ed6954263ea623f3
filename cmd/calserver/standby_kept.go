package main

import (
	"context"
	"encoding/json"

	"factotum/store/sqlstore"
)

// With which releases of the zone database a store was used goes to the standby, beside the homes: when it has
// taken over, "csdst" can compare with them, and the time index follows from where it was.

// zonePieces are those of a store.
func zonePieces(s *sqlstore.Store) func(context.Context) ([][]byte, error) {
	return func(ctx context.Context) (pieces [][]byte, err error) {
		list, err := s.ZoneData(ctx)
		for i := 0; i < len(list) && err == nil; i++ {
			var piece []byte
			piece, err = json.Marshal(&list[i])
			pieces = append(pieces, piece)
		}
		return pieces, err
	}
}

// keepZones takes them in.
func keepZones(s *sqlstore.Store) func(context.Context, []byte) error {
	return func(ctx context.Context, piece []byte) error {
		var z sqlstore.ZoneData
		if err := json.Unmarshal(piece, &z); err != nil {
			return err
		}
		return s.PutZoneData(ctx, z)
	}
}

// putZoneData notes a release here and on the standby.
func (s *storeService) putZoneData(ctx context.Context, z sqlstore.ZoneData) error {
	err := s.store.PutZoneData(ctx, z)
	if err == nil && s.pair.active != nil {
		s.pair.active.KeptChanged()
	}
	return err
}
