package schema

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The vectors of identity (P4). They were computed by another program, from the
// names as they stand here, and never change: a new id for an old message would
// put the message into the topic twice.
func TestIdentityVectors(t *testing.T) {
	for _, v := range []struct{ id, name, body string }{
		{
			"1bff7909-5292-5ae1-88d0-cb16d01ed0c4",
			"8:sequence,10:1400000000,14:@TGS#2J4SZEAEL,-,3:123,6:123456,10:1490686222,",
			`{"GroupId":"@TGS#2J4SZEAEL","MsgSeq":123,"Random":123456,"MsgTime":1490686222,"MsgId":"not part of it","EventTime":1}`,
		}, {
			"55ff745e-604f-59d0-8607-39a0c73ebef7",
			"8:sequence,10:1400000000,14:@TGS#2J4SZEAEL,-,3:123,-,-,",
			`{"GroupId":"@TGS#2J4SZEAEL","MsgSeq":123}`,
		}, {
			"e12c707a-cd3e-52a2-91dc-e736e2cb4fba",
			"8:sequence,10:1400000000,12:@TGS#_@TGS#c,27:@TGS#_@TGS#c@TOPIC#_general,1:1,10:4294967295,10:1760000002,",
			`{"GroupId":"@TGS#_@TGS#c","TopicId":"@TGS#_@TGS#c@TOPIC#_general","MsgSeq":1,"Random":4294967295,"MsgTime":1760000002}`,
		}, {
			"84576bbc-f585-5051-a48b-fa5512f6cdf0",
			"10:message-id,10:1400000000,14:@TGS#2J4SZEAEL,-,40:144115233406643804-1727580296-4026038328,",
			`{"GroupId":"@TGS#2J4SZEAEL","OnlineOnlyFlag":1,"MsgSeq":123,"Random":1,"MsgTime":2,"MsgId":"144115233406643804-1727580296-4026038328"}`,
		}, {
			"bff00b0a-138c-5f97-8aa3-f3cc4e3e614c",
			"6:random,10:1400000000,13:e6a9-own-uuid,-,14:@TLS#NOT_FOUND,8:26804506,10:1760000003,",
			`{"GroupId":"e6a9-own-uuid","MsgSeq":0,"From_Account":"@TLS#NOT_FOUND","Random":26804506,"MsgTime":1760000003}`,
		}, {
			"26e728ac-04c8-5c8c-8c57-3db019d4b854",
			"6:random,10:1400000000,4:群1,-,6:用户,1:0,1:0,",
			`{"GroupId":"群1","From_Account":"用户","Random":0,"MsgTime":0}`,
		}, {
			"b7d098a4-1cdb-5927-9be0-388f1c817654",
			"4:body,10:1400000000,2:34,-,64:41d57a97a42d0c006f91e7f0a008a625baebc03b89bd1a2a20b60c815e7ce041,",
			`{"GroupId":"34"}`,
		},
	} {
		if id := version5([]byte(namespace + v.name)).String(); id != v.id {
			t.Errorf("%s: id %s, want %s", v.name, id, v.id)
		}
		e := mustNormalize(t, goldenRequest(t), []byte(v.body))
		if e.ID != v.id || e.Identity().String() != v.id {
			t.Errorf("%s: id %s (%v), want %s", v.body, e.ID, e.Identity(), v.id)
		}
	}
}

// TestSameMessageHasSameID holds P4: what may differ between two deliveries of
// one message is no part of its id.
func TestSameMessageHasSameID(t *testing.T) {
	const base = `{"GroupId":"34","From_Account":"a","MsgSeq":7,"Random":1,"MsgTime":1760000000,"EventTime":1760000000000}`
	req := goldenRequest(t)
	want := mustNormalize(t, req, []byte(base)).ID
	for name, change := range map[string][2]string{
		"another EventTime":      {`"EventTime":1760000000000`, `"EventTime":"1760000009999"`},
		"a numeric string":       {`"MsgSeq":7`, `"MsgSeq":"7"`},
		"zeros before":           {`"MsgSeq":7`, `"MsgSeq":"007"`},
		"a number for the group": {`"GroupId":"34"`, `"GroupId":34`},
		"another order":          {`"GroupId":"34","From_Account":"a"`, `"From_Account":"a","GroupId":"34"`},
		"space":                  {`:`, ` : `},
		"a new field":            {`"GroupId":"34"`, `"GroupId":"34","New":1`},
	} {
		body := strings.Replace(base, change[0], change[1], 1)
		if got := mustNormalize(t, req, []byte(body)).ID; got != want || body == base {
			t.Errorf("%s: id %s, want %s", name, got, want)
		}
	}
	later := req
	later.ReceivedAt, later.ClientIP, later.Platform = req.ReceivedAt.Add(1e9), "::1", "iOS"
	if got := mustNormalize(t, later, []byte(base)).ID; got != want {
		t.Errorf("received later: id %s, want %s", got, want)
	}
}

func TestDifferentMessagesHaveDifferentIDs(t *testing.T) {
	bodies := []string{
		`{"GroupId":"g","MsgSeq":1}`,
		`{"GroupId":"g","MsgSeq":2}`,
		`{"GroupId":"g2","MsgSeq":1}`,
		`{"GroupId":"g","TopicId":"t","MsgSeq":1}`,
		`{"GroupId":"g","MsgSeq":1,"Random":0}`,
		`{"GroupId":"g","MsgSeq":1,"Random":1}`,
		`{"GroupId":"g","MsgSeq":1,"MsgTime":1}`,
		`{"GroupId":"g","MsgSeq":1,"Random":1,"MsgTime":1}`,
		`{"GroupId":"g","MsgId":"1"}`,
		`{"GroupId":"g","MsgId":"2"}`,
		`{"GroupId":"g","From_Account":"a","Random":1,"MsgTime":1}`,
		`{"GroupId":"g","From_Account":"a1","Random":1,"MsgTime":1}`,
		`{"GroupId":"g","From_Account":"a","Random":11,"MsgTime":1}`,
		`{"GroupId":"g","From_Account":"a","Random":1,"MsgTime":11}`,
		`{"GroupId":"g","From_Account":"a","Random":1}`, // no time: the body decides
		`{"GroupId":"g","From_Account":"a","Random":1,"Type":"Public"}`,
		`{"GroupId":"g","From_Account":"a","MsgTime":1}`,
		`{"GroupId":"g","Random":1,"MsgTime":1}`,
		`{"GroupId":"g","From_Account":"a","MsgBody":[]}`,
	}
	seen := map[string]string{}
	for _, app := range []uint64{1, 2} {
		for _, body := range bodies {
			req := goldenRequest(t)
			req.AppID = app
			id := mustNormalize(t, req, []byte(body)).ID
			what := fmt.Sprint(app, body)
			if other, taken := seen[id]; taken {
				t.Errorf("%s and %s have the same id", what, other)
			}
			seen[id] = what
		}
	}
}

// TestNamesOfDifferentRowsDiffer: no text in a part can make it look like more
// parts or fewer.
func TestNamesOfDifferentRowsDiffer(t *testing.T) {
	part := rapid.StringOf(rapid.RuneFrom([]rune("0123:,-a")))
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(part, 1, 4).Draw(t, "a")
		b := rapid.SliceOfN(part, 1, 4).Draw(t, "b")
		name := func(parts []string) string {
			var r row
			for _, p := range parts {
				r.part(p)
			}
			return string(r.b)
		}
		if same := fmt.Sprintf("%q", a) == fmt.Sprintf("%q", b); (name(a) == name(b)) != same {
			t.Fatalf("%q and %q are named %q and %q", a, b, name(a), name(b))
		}
	})
}

func TestIDHasOneSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		if back, err := ParseID(id.String()); err != nil || back != id {
			t.Fatalf("%s reads as %s, %v", id, back, err)
		}
	})
	const good = "74fcd219-e2a3-4d61-8ade-a98229852b17"
	if _, err := ParseID(good); err != nil {
		t.Error(err)
	}
	for i := range good {
		if bad := good[:i] + strings.ToUpper(good[i:i+1]) + good[i+1:]; bad != good {
			if id, err := ParseID(bad); err == nil {
				t.Errorf("%q reads as %s", bad, id)
			}
		}
	}
	for _, bad := range []string{
		"", good[1:], good + "0", strings.ToUpper(good), "{" + good[:35], strings.ReplaceAll(good, "-", ""),
		"74fcd219ae2a3-4d61-8ade-a98229852b17", "74fcd219-e2a3-4d61-8ade-a98229852b1g", strings.Repeat("-", 36),
		"74fcd21é-e2a3-4d61-8ade-a98229852b1",
	} {
		if id, err := ParseID(bad); err == nil {
			t.Errorf("%q reads as %s", bad, id)
		}
	}
	if id := (&Event{ID: "nonsense"}).Identity(); id != (ID{}) {
		t.Errorf("the identity of nonsense is %s", id)
	}
}
