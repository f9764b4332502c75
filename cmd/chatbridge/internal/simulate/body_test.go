package simulate

import (
	"bytes"
	"strings"
	"testing"

	"github.com/chatbridge/chatbridge/schema"
)

func TestEveryBodyIsOneThatTheBridgeReads(t *testing.T) {
	t.Parallel()
	s, _ := newSchedule(t, Options{Groups: 40, Topics: 2, Count: 3000, Duplicate: 0.2, OnlineOnly: 0.1, Seed: 11})
	var w bodyWriter
	kinds, sizes := map[schema.ElementType]int{}, 0
	mentions := 0
	for i, d := range deliveries(t, s) {
		body := w.write(&d.msg, d.copies, d.msg.madeAt+500)
		if err := schema.Check(schema.CommandAfterSend, body); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		e, err := d.msg.read(body)
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		seq, ok := e.Sequence()
		if e.Stream() != d.msg.stream.id || seq != d.msg.seq || ok != (d.msg.seq > 0) || e.Sender.Account != d.msg.account() {
			t.Fatalf("delivery %d of %v number %d reads as %v number %d", i, d.msg.stream.id, d.msg.seq, e.Stream(), seq)
		}
		if len(e.Extra) > 0 {
			t.Fatalf("unknown members %v in %s", e.Extra, body)
		}
		for _, element := range e.Message.Elements {
			kinds[element.Type()]++
			if _, isOther := element.(*schema.Other); isOther {
				t.Fatalf("an element of no known kind: %s", body)
			}
		}
		if !e.Mentions.IsZero() {
			mentions++
		}
		sizes += len(body)
		if len(body) < 300 || len(body) > 1200 {
			t.Errorf("a body of %d bytes: %s", len(body), body)
		}
	}
	for _, kind := range []schema.ElementType{"text", "custom", "image", "face", "sound", "file", "location", "video", "relay"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among %v", kind, kinds)
		}
	}
	if mentions == 0 {
		t.Error("nobody is mentioned")
	}
	if average := sizes / 3600; average < 400 || average > 650 {
		t.Errorf("bodies have %d bytes on average", average)
	}
}

// A copy is the same message in other words: what P4 must recognize.
func TestACopyDiffersAndHasTheSameIdentity(t *testing.T) {
	t.Parallel()
	s, _ := newSchedule(t, Options{Groups: 10, Topics: 2, Count: 300, OnlineOnly: 0.2, Seed: 12})
	var first, second bodyWriter
	for _, d := range deliveries(t, s) {
		a, b := first.write(&d.msg, 0, 0), second.write(&d.msg, 1, d.msg.madeAt+700)
		if bytes.Equal(a, b) {
			t.Fatalf("the copy is the same: %s", a)
		}
		one, err1 := d.msg.read(a)
		two, err2 := d.msg.read(b)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if one.Identity() != two.Identity() || one.Identity() == (schema.ID{}) {
			t.Fatalf("ids %s and %s of\n%s\n%s", one.ID, two.ID, a, b)
		}
		if one.OccurredAt.Equal(two.OccurredAt) {
			t.Fatalf("the copy has the same EventTime: %s", b)
		}
	}
}

func TestDifferentMessagesHaveDifferentIdentities(t *testing.T) {
	t.Parallel()
	s, _ := newSchedule(t, Options{Groups: 10, Topics: 2, Count: 2000, OnlineOnly: 0.5, Seed: 13})
	var w bodyWriter
	seen := map[schema.ID]bool{}
	for _, d := range deliveries(t, s) {
		e, err := d.msg.read(w.write(&d.msg, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		if seen[e.Identity()] {
			t.Fatalf("id %s twice", e.ID)
		}
		seen[e.Identity()] = true
	}
}

func TestBodiesAreFilledUpToTheSize(t *testing.T) {
	t.Parallel()
	const size = 1500
	s, _ := newSchedule(t, Options{Groups: 10, Count: 500, BodySize: size, Duplicate: 0.2, Seed: 14})
	var w bodyWriter
	for _, d := range deliveries(t, s) {
		body := w.write(&d.msg, d.copies, d.msg.madeAt+1)
		if len(body) != size {
			t.Fatalf("%d bytes: %s", len(body), body)
		}
		if _, err := d.msg.read(body); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
}

func TestTextOnlyIsTextOnly(t *testing.T) {
	t.Parallel()
	s, _ := newSchedule(t, Options{Groups: 10, Count: 500, TextOnly: true, Seed: 15})
	var w bodyWriter
	for _, d := range deliveries(t, s) {
		if body := string(w.write(&d.msg, 0, 0)); strings.Count(body, "MsgType") != 1 || !strings.Contains(body, "TIMTextElem") {
			t.Fatal(body)
		}
	}
}

// Tencent's own vector, and three that were computed apart.
func TestSignatureIsTencents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		token string
		at    int64
		want  string
	}{
		{"xxxxyyyy", 1669872112, "17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061"},
		{"bridge-token-1", 1760000000, "d44096fa81f2affa94a4ec8c7e95b592a50586edb270d976ee9db546d44a1c59"},
		{"bridge-token-1", 1760000001, "bf935dd179e38c2f0fc0be7ac962f52a22112b71b2218dff1b4373a4ff643dfb"},
		{strings.Repeat("k", 128), 1760000000, "1f85b63ad899409f7547ae2b2c9d043a4a5fcff9039d5384420ebcee6ae7d9b0"},
	} {
		if got := Sign(c.token, c.at); got != c.want {
			t.Errorf("Sign(%.20q, %d) = %s, want %s", c.token, c.at, got, c.want)
		}
	}
}
