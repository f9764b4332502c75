package relay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"go.uber.org/zap"

	"github.com/chatbridge/chatbridge/bridge/spool"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// letter is a callback that goes aside, as it came.
type letter struct {
	lane     *lane
	position spool.Position
	key      []byte
	record   spool.Record
	reason   schema.Reason // "" = another command, for the callbacks topic
	detail   string
	command  string
	cut      bool // the body is sent in part: its first keep bytes
	keep     int
}

func newLetter(e *spool.Entry, reason schema.Reason, detail string) *letter {
	key, _ := schema.Peek(e.Record.Body, nil)
	return &letter{position: e.Position, key: key, record: e.Record, reason: reason, detail: detail}
}

func (m *letter) message() publisher.Message {
	var headers []schema.Header
	query := string(m.record.Query)
	if m.reason == "" {
		headers = schema.CallbackHeaders(m.command, query, m.record.ReceivedAt)
	} else {
		headers = schema.DeadLetterHeaders(m.reason, m.detail, query, m.record.ReceivedAt)
	}
	body := m.record.Body
	if m.cut {
		headers = append(headers, schema.Header{Key: schema.HeaderTruncated, Value: strconv.AppendInt(nil, int64(len(body)), 10)})
		body = body[:m.keep]
	}
	out := publisher.Message{Key: m.key, Value: body, Time: m.record.ReceivedAt, Headers: make([]publisher.Header, len(headers))}
	for i, h := range headers {
		out.Headers[i] = publisher.Header(h)
	}
	return out
}

// aside publishes letters to one topic: the dead letters, or the callbacks of
// other commands. They are few, so one at a time is sent, and they are not
// de-duplicated: a crash between Kafka's answer and the checkpoint sends one
// again.
type aside struct {
	relay   *Relay
	topic   string
	letters chan *letter
}

// waitingLetters bounds how many letters wait. When their topic is away for
// longer, the lanes that have more of them wait with them.
const waitingLetters = 64

func newAside(r *Relay, topic string) *aside {
	return &aside{relay: r, topic: topic, letters: make(chan *letter, waitingLetters)}
}

// send hands a letter over; its position is finished once Kafka has it.
func (a *aside) send(ctx context.Context, m *letter) error {
	select {
	case a.letters <- m:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *aside) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m := <-a.letters:
			if err := a.publish(ctx, m); err != nil {
				return err
			}
			m.lane.finish(m.position)
			a.relay.opt.Hooks.sentAside(a.topic, m.reason)
			a.relay.opt.Hooks.deadLettered(m)
		}
	}
}

// publish sees one letter through. One that is too large for its topic is
// written whole to a file and sent cut, by half each time, until it is taken.
func (a *aside) publish(ctx context.Context, m *letter) error {
	n, err := a.partitions(ctx)
	if err != nil {
		return err
	}
	partition := a.relay.client.Partition(a.topic, publisher.PartitionFor(m.key, n))
	var id publisher.Identity
	var open *publisher.Identity // of a letter that may be in the topic
	for {
		_, err := partition.Publish(ctx, publisher.Batch{
			Messages: []publisher.Message{m.message()}, From: -1,
			Resend:   open,
			Announce: func(i publisher.Identity) error { id = i; return nil },
		})
		open = nil
		var rejected *publisher.RejectedError
		var fatal *publisher.FatalError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &rejected):
			again, err := a.shorten(m)
			if err != nil {
				return err
			}
			if !again {
				a.relay.opt.Logger.Error("a dead letter is refused even without its body; it is kept in a file only",
					zap.String("topic", a.topic), zap.Uint64("position", uint64(m.position)), zap.Error(rejected))
				return nil
			}
		case errors.As(err, &fatal):
			a.relay.opt.Logger.Error("kafka refuses everything; trying again later",
				zap.String("topic", a.topic), zap.Error(err), zap.Duration("after", fatalPause))
			if errors.Is(err, publisher.ErrUnresolved) {
				open = &id
			}
			if err := pause(ctx, fatalPause); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// partitions asks until the topic is there.
func (a *aside) partitions(ctx context.Context) (int, error) {
	for attempt := 0; ; attempt++ {
		n, err := a.relay.client.PartitionCount(ctx, a.topic)
		if err == nil && n > 0 {
			return n, nil
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		a.relay.opt.Logger.Warn("a topic is not there yet; what goes there waits in the spool",
			zap.String("topic", a.topic), zap.Error(err))
		if err := pause(ctx, backoff(attempt)); err != nil {
			return 0, err
		}
	}
}

// shorten makes a letter that its topic refuses fit: first to half, then on.
// It reports false when nothing is left to cut.
func (a *aside) shorten(m *letter) (bool, error) {
	if !m.cut {
		if err := a.keepWhole(m); err != nil {
			return false, err
		}
		m.cut, m.keep = true, len(m.record.Body)
	}
	if m.keep == 0 {
		return false, nil
	}
	m.keep /= 2
	return true, nil
}

// keepWhole writes the body of a letter to a file of its own, durably.
func (a *aside) keepWhole(m *letter) error {
	dir := a.relay.opt.LargeDir
	path := filepath.Join(dir, fmt.Sprintf("%s-%020d.body", a.topic, m.position))
	if err := writeDurably(dir, path, m.record.Body); err != nil {
		return fmt.Errorf("keep a dead letter of %d bytes, too large for topic %s, in %s: %w", len(m.record.Body), a.topic, path, err)
	}
	a.relay.opt.Logger.Warn("a dead letter is too large for its topic; it goes there cut and is kept whole in a file",
		zap.String("topic", a.topic), zap.String("file", path), zap.Int("bytes", len(m.record.Body)))
	return nil
}

// writeDurably writes a file that is whole or not there, whatever happens.
func writeDurably(dir, path string, body []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(body)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
