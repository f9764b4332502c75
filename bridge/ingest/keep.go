package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

// errDraining ends a hold when the server stops.
var errDraining = errors.New("the server is stopping")

// retryEvery is how often a held request asks whether the store can store again.
const retryEvery = 50 * time.Millisecond

// keep appends rec; where the store cannot, and the policy says so, it holds the
// request until the store can, the peer is gone, or it was held long enough.
func (rc *receiver) keep(peer context.Context, rec spool.Record) error {
	_, err := rc.store.Append(rc.life, rec)
	if err == nil || rc.cfg.WhenFull != Hold || !passing(err) {
		return err
	}
	return rc.hold(peer, rec, err)
}

// hold waits with rec in memory. Only the peer ends its context: net/http lifts the
// read deadline when the body has been read. cause is why the store could not store it; it
// is returned when the wait ends without that having changed.
func (rc *receiver) hold(peer context.Context, rec spool.Record, cause error) error {
	defer rc.held.Add(-1)
	if rc.held.Add(1) > int64(rc.cfg.MaxHeld) {
		return cause
	}
	enough := time.NewTimer(rc.cfg.HoldTimeout)
	defer enough.Stop()
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	for {
		select {
		case <-peer.Done():
			return cause
		case <-rc.draining:
			return errDraining
		case <-enough.C:
			return cause
		case <-retry.C:
			if rc.store.Err() != nil {
				continue
			}
			_, err := rc.store.Append(rc.life, rec)
			if err == nil || !passing(err) {
				return err
			}
			cause = err
		}
	}
}

// passing reports whether the store may be able to store later on.
func passing(err error) bool {
	var poisoned *spool.PoisonedError
	return errors.Is(err, spool.ErrFull) || errors.As(err, &poisoned)
}

// outlives reports whether the store may still read the record after err.
func outlives(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// storeOutcome is the row for an error of keep.
func storeOutcome(err error) Outcome {
	var poisoned *spool.PoisonedError
	switch {
	case errors.Is(err, spool.ErrFull):
		return Full
	case errors.As(err, &poisoned):
		return Poisoned
	case errors.Is(err, spool.ErrClosed), errors.Is(err, errDraining), outlives(err):
		return Closing
	case errors.Is(err, spool.ErrTooLarge):
		return TooLarge
	default:
		return StoreFailed
	}
}
