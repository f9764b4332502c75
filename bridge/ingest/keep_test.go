package ingest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatbridge/chatbridge/bridge/spool"
)

func holding(cfg *Config, s *storeDouble) {
	cfg.WhenFull, cfg.HoldTimeout, s.err = Hold, time.Hour, spool.ErrFull
}

// Design 4, last row, policy hold: the answer waits for the store, while what needs
// no store is answered; then it is stored once and answered OK (P1).
func TestHeldRequestIsStoredWhenTheStoreCan(t *testing.T) {
	t.Parallel()
	f := newFixture(t, holding)
	p := f.dial(t)
	p.send(goodRequest())
	eventually(t, "held", func() bool { return f.Stats().Held == 1 })
	if a := f.exchange(t, request("POST", path, "")); a.status != 200 {
		t.Errorf("URL check meanwhile: %d", a.status)
	}
	if a := f.exchange(t, request("POST", path+"?"+sign(signedApp, "State.StateChange", token, clock), "{}")); a.status != 200 {
		t.Errorf("another command meanwhile: %d", a.status)
	}
	f.store.fail(nil)
	if a := p.receive(); a.status != 200 || a.closing {
		t.Errorf("got %d, closing %t", a.status, a.closing)
	}
	if st := f.Stats(); len(f.store.kept()) != 1 || st.Requests+st.Held+int(st.BodyBytes) != 0 {
		t.Errorf("stored %d, left %+v", len(f.store.kept()), st)
	}
}

// A peer that gives up frees its place; its callback is not stored afterwards.
func TestHoldEndsWhenThePeerLeaves(t *testing.T) {
	t.Parallel()
	f := newFixture(t, holding)
	p := f.dial(t)
	p.send(goodRequest())
	eventually(t, "held", func() bool { return f.Stats().Held == 1 })
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "let go", func() bool { return f.Stats() == Stats{} && f.tally[Full].Load() == 1 })
	f.store.fail(nil)
	f.exchange(t, goodRequest())
	if n := len(f.store.kept()); n != 1 {
		t.Errorf("stored %d, want only the second request", n)
	}
}

// P8: the number of held requests is bounded; one more is refused at once.
func TestHoldsAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(cfg *Config, s *storeDouble) {
		holding(cfg, s)
		cfg.MaxHeld = 2
	})
	for n := range 2 {
		f.dial(t).send(goodRequest())
		eventually(t, "held", func() bool { return f.Stats().Held == n+1 })
	}
	if a := f.exchange(t, goodRequest()); a.status != 503 || a.ErrorCode != Full.rule().code {
		t.Errorf("got %d %d", a.status, a.ErrorCode)
	}
}

// A stop does not wait for a full store: who is held is told the truth.
func TestDrainLetsHeldRequestsGo(t *testing.T) {
	t.Parallel()
	f := newFixture(t, holding)
	p := f.dial(t)
	p.send(goodRequest())
	eventually(t, "held", func() bool { return f.Stats().Held == 1 })
	if err := f.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if a := p.receive(); a.status != 503 || a.ErrorCode != Closing.rule().code || !a.closing {
		t.Errorf("got %d %d", a.status, a.ErrorCode)
	}
}

// heldFor runs one request through a receiver in virtual time and returns the
// verdict and how long it took. change happens to the store after a while.
func heldFor(t *testing.T, after time.Duration, change func(*storeDouble)) (v verdict, took time.Duration, store *storeDouble) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store = &storeDouble{err: spool.ErrFull}
		cfg := testConfig()
		cfg.WhenFull = Hold
		srv, err := New(cfg, store, func() time.Time { return time.Unix(clock, 0) }, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer srv.end()
		if change != nil {
			time.AfterFunc(after, func() { change(store) })
		}
		r := httptest.NewRequest(http.MethodPost, path+"?"+goodQuery(), strings.NewReader(goodBody))
		begin := time.Now()
		v = srv.receiver.receive(r, time.Unix(clock, 0))
		took = time.Since(begin)
	})
	return v, took, store
}

// A hold outlasts the 2 s after which the provider gives up, and ends.
func TestHoldEndsAfterItsTime(t *testing.T) {
	t.Parallel()
	v, took, store := heldFor(t, 0, nil)
	if v.outcome != Full || took != defaultHoldTimeout || took <= 2*time.Second {
		t.Errorf("%s after %s", v.outcome, took)
	}
	if store.tried() != 1 {
		t.Errorf("a store that says that it cannot was asked %d times", store.tried())
	}
}

func TestHoldEndsSoonAfterTheStoreCanAgain(t *testing.T) {
	t.Parallel()
	v, took, store := heldFor(t, time.Second, func(s *storeDouble) { s.fail(nil) })
	if v.outcome != Stored || took > time.Second+retryEvery || len(store.kept()) != 1 {
		t.Errorf("%s after %s, stored %d", v.outcome, took, len(store.kept()))
	}
}

// What will not pass is not waited for any longer.
func TestHoldEndsWithAnErrorThatStays(t *testing.T) {
	t.Parallel()
	v, took, _ := heldFor(t, time.Second, func(s *storeDouble) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err, s.lasting = nil, spool.ErrClosed
	})
	if v.outcome != Closing || took > time.Second+retryEvery {
		t.Errorf("%s after %s", v.outcome, took)
	}
}

// Every error of the store has its row, wrapped or not.
func TestStoreErrorsHaveOutcomes(t *testing.T) {
	t.Parallel()
	poisoned := &spool.PoisonedError{Err: errors.New("EIO")}
	for _, tt := range []struct {
		err     error
		outcome Outcome
		passing bool
	}{
		{spool.ErrFull, Full, true},
		{poisoned, Poisoned, true},
		{spool.ErrClosed, Closing, false},
		{spool.ErrTooLarge, TooLarge, false},
		{context.Canceled, Closing, false},
		{errDraining, Closing, false},
		{errors.New("anything"), StoreFailed, false},
	} {
		for _, err := range []error{tt.err, errors.Join(errors.New("append"), tt.err)} {
			if storeOutcome(err) != tt.outcome || passing(err) != tt.passing {
				t.Errorf("%v: %s, passing %t", err, storeOutcome(err), passing(err))
			}
		}
	}
}

// lateReader is a store that may go on reading a record after its context ended.
type lateReader struct {
	storeDouble
	last spool.Record
}

func (s *lateReader) Append(_ context.Context, r spool.Record) (spool.Position, error) {
	if s.last.Body == nil {
		s.last = r
	}
	return 0, context.Canceled
}

// P1: bytes that the store may still read are lent to no other request.
func TestBufferOfAnEndedAppendIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	store := &lateReader{}
	srv, err := New(testConfig(), store, func() time.Time { return time.Unix(clock, 0) }, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.end()
	other := strings.Repeat("x", len(goodBody))
	for _, body := range []string{goodBody, other, other, other} {
		r := httptest.NewRequest(http.MethodPost, path+"?"+goodQuery(), strings.NewReader(body))
		if v := srv.receiver.receive(r, time.Unix(clock, 0)); v.outcome != Closing {
			t.Errorf("got %s", v.outcome)
		}
	}
	if string(store.last.Body) != goodBody {
		t.Errorf("the record became %q", store.last.Body)
	}
	if n := srv.Stats().BodyBytes; n != 0 {
		t.Errorf("%d bytes are still lent", n)
	}
}
