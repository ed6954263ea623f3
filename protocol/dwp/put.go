package dwp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// PutObject implements calendar.Backend. A request without a token gets one,
// and is sent once more when the connection breaks before the answer: the
// back end answers a token that it knows without writing again.
func (c *Client) PutObject(ctx context.Context, who calendar.Actor, req calendar.PutRequest) (calendar.PutResult, error) {
	if req.Token == "" {
		req.Token = rand.Text()
	}
	q := toPutRequest(&req)
	q.Actor = toActor(&who)
	a, err := unary(ctx, c, "put object", always, c.api.PutObject, q)
	return fromPutResult(a), err
}

// PutObjects implements calendar.Backend.
func (c *Client) PutObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) (results []calendar.PutItemResult, err error) {
	ctx, cancel := c.begin(ctx, forStreams)
	defer cancel()
	if calendar.Token(ctx) == "" {
		ctx = calendar.WithToken(ctx, rand.Text())
	}
	err = c.try(ctx, "put objects", withToken, func(ctx context.Context) error {
		results, err = c.putObjects(ctx, who, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

func (c *Client) putObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	st, err := c.api.PutObjects(ctx)
	if err != nil {
		return nil, err
	}
	head := toPutObjectsRequest(&calendar.PutObjectsRequest{Calendar: req.Calendar, Replace: req.Replace, Within: req.Within})
	head.Actor = toActor(&who)
	b := batch[wire.PutItem]{send: func(items []*wire.PutItem) error {
		head.Items = items
		err := st.Send(head)
		head = &wire.PutObjectsRequest{}
		return err
	}}
	for i := range req.Items {
		if err = b.put(toPutItem(&req.Items[i])); err != nil {
			break
		}
	}
	if err == nil {
		if err = b.flush(); err == nil && len(req.Items) == 0 {
			err = st.Send(head)
		}
	}
	if err == nil {
		err = st.CloseSend()
	}
	if err != nil && !errors.Is(err, io.EOF) { // EOF: the reason is in Recv
		return nil, err
	}
	results := make([]calendar.PutItemResult, 0, len(req.Items))
	for {
		m, err := st.Recv()
		if err == io.EOF { // itself, as in stream
			break
		}
		if err != nil {
			return nil, err
		}
		for _, it := range m.GetItems() {
			results = append(results, fromPutItemResult(it))
		}
	}
	if len(results) != len(req.Items) {
		return nil, &calendar.Error{Kind: calendar.Internal, Op: "put objects", Err: fmt.Errorf("%d answers for %d items", len(results), len(req.Items))}
	}
	return results, nil
}

// maxImport bounds what one PutObjects holds in memory.
const maxImport = 256 << 20

func (s *service) PutObjects(st grpc.BidiStreamingServer[wire.PutObjectsRequest, wire.PutObjectsAnswer]) error {
	first, err := st.Recv()
	if err != nil {
		return err
	}
	req := fromPutObjectsRequest(first)
	req.Items = nil
	total := 0
	for m := first; ; {
		for _, it := range m.Items {
			total += len(it.Data) + len(it.Name) + 64
		}
		if total > maxImport {
			return &calendar.Error{Kind: calendar.TooLarge, Op: "put objects", Ref: string(req.Calendar), Msg: "the import is too large for one request"}
		}
		req.Items = append(req.Items, fromPutObjectsRequest(m).Items...)
		if m, err = st.Recv(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	results, err := s.backend.PutObjects(st.Context(), fromActor(first.Actor), req)
	if err != nil {
		return err
	}
	b := batch[wire.PutItemAnswer]{send: func(items []*wire.PutItemAnswer) error { return st.Send(&wire.PutObjectsAnswer{Items: items}) }}
	for i := range results {
		if err := b.put(toPutItemResult(&results[i])); err != nil {
			return err
		}
	}
	return b.flush()
}
