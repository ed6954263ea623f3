package dwp

import (
	"context"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// EditObject implements calendar.Backend.
func (c *Client) EditObject(ctx context.Context, who calendar.Actor, req calendar.EditRequest) (calendar.EditResult, error) {
	m, err := unary(ctx, c, "edit object", withToken, c.api.EditObject, toEdit(who, &req))
	if err == nil && req.Within == nil && len(m.GetItems()) != len(req.Items) {
		err = errCut("edit object")
	}
	if err != nil {
		return calendar.EditResult{}, err
	}
	return fromEditAnswer(m), nil
}

// Attachment implements calendar.Backend.
func (c *Client) Attachment(ctx context.Context, who calendar.Actor, req calendar.AttachmentRequest) (calendar.Attachment, error) {
	m, err := unary(ctx, c, "attachment", never, c.api.Attachment, &wire.AttachmentRequest{
		Actor: toActor(who), Owner: toText(req.Owner), Id: toText(req.ID), Calendar: toText(req.Calendar), Uid: toText(req.UID),
	})
	if err != nil {
		return calendar.Attachment{}, err
	}
	return calendar.Attachment{
		ID: string(m.GetId()), ClientID: string(m.GetClientId()), Name: string(m.GetName()), Type: string(m.GetType()),
		Modified: fromTime(m.GetModified()), Data: m.GetData(),
	}, nil
}

func (s *service) EditObject(ctx context.Context, m *wire.EditRequest) (*wire.EditAnswer, error) {
	req, err := fromEdit(m)
	if err != nil {
		return nil, err
	}
	r, err := s.backend.EditObject(ctx, fromActor(m.GetActor()), req)
	if err != nil {
		return nil, err
	}
	return toEditAnswer(&r), nil
}

func (s *service) Attachment(ctx context.Context, m *wire.AttachmentRequest) (*wire.AttachmentAnswer, error) {
	a, err := s.backend.Attachment(ctx, fromActor(m.GetActor()), calendar.AttachmentRequest{
		Owner: calendar.Owner(m.GetOwner()), ID: string(m.GetId()), Calendar: calendar.ID(m.GetCalendar()), UID: string(m.GetUid()),
	})
	if err != nil {
		return nil, err
	}
	return &wire.AttachmentAnswer{
		Id: toText(a.ID), ClientId: toText(a.ClientID), Name: toText(a.Name), Type: toText(a.Type), Modified: toTime(a.Modified), Data: a.Data,
	}, nil
}
