package simulate

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/chatbridge/chatbridge/schema"
)

// communityEvery says which groups are communities: every eighth.
const communityEvery = 8

// A stream is one sequence of MsgSeq: a group, or a topic of a community. Its
// names never change; the rest belongs to the schedule.
type stream struct {
	id        schema.Stream
	groupType string
	// As they stand in a body, quotes included.
	groupJSON, topicJSON string
	textTime             bool // EventTime is a string here, as in some captures

	next     uint64 // the number that the next message gets
	reserved uint64 // numbers up to here are in the ledger as reserved
	begun    uint64 // the highest number whose sending has begun
}

// newStreams invents the groups of a seed. A group is the list of its streams.
func newStreams(o *Options) [][]*stream {
	groups := make([][]*stream, o.Groups)
	name := strings.ToUpper(strconv.FormatUint(o.Seed, 36))
	for i := range groups {
		switch {
		case o.Topics > 0 && i%communityEvery == communityEvery-1:
			id := fmt.Sprintf("@TGS#_@TGS#c%s%04d", name, i)
			for t := range o.Topics {
				groups[i] = append(groups[i], newStream(o, i, "Community", id, fmt.Sprintf("%s@TOPIC#_t%d", id, t)))
			}
		case i%communityEvery == 3: // a name of the customer's own, with what must be escaped
			groups[i] = []*stream{newStream(o, i, "ChatRoom", fmt.Sprintf("room %d/#%s", i, name), "")}
		default:
			kind := [...]string{"Public", "Private", "AVChatRoom", "Public"}[i%4]
			groups[i] = []*stream{newStream(o, i, kind, fmt.Sprintf("@TGS#2%s%04d", name, i), "")}
		}
	}
	return groups
}

func newStream(o *Options, index int, kind, group, topic string) *stream {
	return &stream{
		id:        schema.Stream{AppID: o.App, GroupID: group, TopicID: topic},
		groupType: kind,
		groupJSON: quote(group),
		topicJSON: quote(topic),
		textTime:  index%4 == 1,
		next:      max(1, o.FirstSeq),
	}
}

// quote returns s as a JSON string. s is one of our own names: valid UTF-8.
func quote(s string) string {
	quoted, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		return `""`
	}
	return string(quoted)
}

// newRandom returns the random numbers of one run.
func newRandom(seed uint64, run int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(run)))
}
