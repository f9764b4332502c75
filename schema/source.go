package schema

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	sourceApp   = "/tencent-chat/"
	sourceGroup = "/groups/"
	sourceTopic = "/topics/"
)

// Source returns the stream as the URI reference that ce_source holds:
// /tencent-chat/<app>/groups/<group>[/topics/<topic>], each id escaped as one
// path segment of RFC 3986. Different streams have different sources.
func (s Stream) Source() string { return string(s.appendSource(nil)) }

func (s Stream) appendSource(b []byte) []byte {
	b = append(b, sourceApp...)
	b = strconv.AppendUint(b, s.AppID, 10)
	b = append(b, sourceGroup...)
	b = appendSegment(b, s.GroupID)
	if s.TopicID != "" {
		b = append(b, sourceTopic...)
		b = appendSegment(b, s.TopicID)
	}
	return b
}

// appendSegment escapes an id. Only the characters that RFC 3986 section 3.3
// allows in a segment stay as they are; a segment of one or two dots would mean
// a place in the path, so it is escaped as a whole.
func appendSegment(b []byte, id string) []byte {
	if id == "." || id == ".." {
		return append(b, "%2E%2E"[:3*len(id)]...)
	}
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(id); i++ {
		if c := id[i]; isSegment(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

func isSegment(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._~!$&'()*+,;=:@", c) >= 0
}

// ParseSource reads what Source writes.
func ParseSource(source string) (Stream, error) {
	app, rest, _ := strings.Cut(strings.TrimPrefix(source, sourceApp), sourceGroup)
	group, topic, hasTopic := strings.Cut(rest, sourceTopic)
	id, err := strconv.ParseUint(app, 10, 64)
	s := Stream{
		AppID:   id,
		GroupID: string(unescapeSegment(group)),
		TopicID: string(unescapeSegment(topic)),
	}
	// Whatever was read, it is right only if it is written the same way.
	if err != nil || s.GroupID == "" || hasTopic && s.TopicID == "" || s.Source() != source {
		return Stream{}, fmt.Errorf("%.200q is not the source of a stream: want /tencent-chat/<app>/groups/<group>[/topics/<topic>]", source)
	}
	return s, nil
}
