package schema

import (
	"encoding/json"
	"strings"
	"testing"
)

// contentMembers is every member of every MsgContent that fills a field.
func contentMembers() map[string]string {
	return map[string]string{
		"TIMTextElem":     "Text",
		"TIMLocationElem": "Desc Latitude Longitude",
		"TIMFaceElem":     "Index Data",
		"TIMCustomElem":   "Data Desc Ext Sound",
		"TIMSoundElem":    "Url UUID Size Second Download_Flag",
		"TIMImageElem":    "UUID ImageFormat ImageInfoArray",
		"TIMFileElem":     "FileName Url UUID FileSize Download_Flag",
		"TIMVideoFileElem": "VideoUrl VideoUUID VideoSize VideoSecond VideoFormat VideoDownloadFlag " +
			"ThumbUrl ThumbUUID ThumbSize ThumbWidth ThumbHeight ThumbFormat ThumbDownloadFlag",
		"TIMRelayElem": "Title MsgNum CompatibleText AbstractList JsonMsgKey MsgList",
	}
}

// TestMembersOfAWrongTypeAreKeptInTheElement, each alone and with an unknown one.
func TestMembersOfAWrongTypeAreKeptInTheElement(t *testing.T) {
	for kind, names := range contentMembers() {
		for name := range strings.FieldsSeq(names) {
			body := in(`"MsgBody":[{"MsgType":"` + kind + `","MsgContent":{"` + name + `":{"odd":1.0},"New":[ 1 ]}}]`)
			e := mustNormalize(t, goldenRequest(t), []byte(body))
			out := string(mustEncode(t, e))
			first, second := `"New":[1]`, `"`+name+`":{"odd":1.0}`
			if name < "New" {
				first, second = second, first
			}
			if !strings.Contains(out, `,"extra":{`+first+`,`+second+`}}]`) || e.Message.Elements[0].Type() == TypeOther {
				t.Errorf("%s.%s: %s", kind, name, out)
			}
		}
	}
}

// TestNullMembersAreAbsent at every level that has fields.
func TestNullMembersAreAbsent(t *testing.T) {
	for kind, names := range contentMembers() {
		content := `{"New":null`
		for name := range strings.FieldsSeq(names) {
			content += `,"` + name + `":null`
		}
		body := in(`"New":null,"MsgBody":[{"MsgType":"` + kind + `","MsgContent":` + content + `},"New":null}]`)
		e := mustNormalize(t, goldenRequest(t), []byte(body))
		want := `"elements":[{"type":"` + string(e.Message.Elements[0].Type()) + `"}]}`
		if out := string(mustEncode(t, e)); !strings.Contains(out, want) || e.Extra != nil {
			t.Errorf("%s: %s", kind, out)
		}
	}
}

func TestFlagsFormatsAndKindsOutOfTheirSetAreKept(t *testing.T) {
	for content, want := range map[string]string{
		`{"ImageFormat":0}`:     `{"type":"image","extra":{"ImageFormat":0}}`,
		`{"ImageFormat":"2"}`:   `{"type":"image","format":"gif"}`,
		`{"ImageFormat":"jpg"}`: `{"type":"image","extra":{"ImageFormat":"jpg"}}`,
		`{"ImageInfoArray":[{"Type":0},{"Type":"3"},{"Type":4}]}`: `{"type":"image","variants":[{"extra":{"Type":0}},{"kind":"thumbnail"},{"extra":{"Type":4}}]}`,
	} {
		e := mustNormalize(t, goldenRequest(t), []byte(in(`"MsgBody":[{"MsgType":"TIMImageElem","MsgContent":`+content+`}]`)))
		if out := string(mustEncode(t, e)); !strings.Contains(out, `"elements":[`+want+`]`) {
			t.Errorf("%s: %s", content, out)
		}
	}
}

func TestOptionalNumbersAloneInJSON(t *testing.T) {
	type pair struct {
		A Optional[uint64]  `json:"a"`
		B Optional[float64] `json:"b,omitzero"`
		C Optional[int64]   `json:"c"`
	}
	for text, want := range map[string]pair{
		`{"a":null,"c":0}`:                    {C: Some[int64](0)},
		`{"a":5,"b":-1.5,"c":-3}`:             {Some[uint64](5), Some(-1.5), Some[int64](-3)},
		`{"a":0,"b":0,"c":null}`:              {A: Some[uint64](0), B: Some(0.0)},
		`{"a":null,"c":null}`:                 {},
		`{"a":18446744073709551615,"c":null}`: {A: Some[uint64](1<<64 - 1)},
	} {
		var got pair
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s reads as %+v, %v", text, got, err)
		}
		if b, err := json.Marshal(got); err != nil || string(b) != text {
			t.Errorf("%s writes as %s, %v", text, b, err)
		}
	}
	for _, text := range []string{`{"a":-1}`, `{"a":1.0}`, `{"a":"1"}`, `{"b":1e999}`, `{"c":{}}`} {
		var got pair
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s reads as %+v", text, got)
		}
	}
	if v, ok := Some[uint64](7).Get(); v != 7 || !ok {
		t.Error(v, ok)
	}
}
