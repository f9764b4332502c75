package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/chatbridge/chatbridge/bridge/relay"
	"github.com/chatbridge/chatbridge/bridge/resequence"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/simulate"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/tail"
	"github.com/chatbridge/chatbridge/cmd/chatbridge/internal/topic"
	"github.com/chatbridge/chatbridge/publisher"
	"github.com/chatbridge/chatbridge/schema"
)

// devScreen shows a person what happens, one line an event. Every method may be
// called from any goroutine.
type devScreen struct {
	out     io.Writer
	colored bool

	mu sync.Mutex
}

func newDevScreen(env *environment) *devScreen {
	return &devScreen{out: env.stdout, colored: env.colored(env.stdout)}
}

// The kinds of lines, by the place in the data's way that they tell of.
const (
	lineIn    = "in    " // a callback was answered
	lineHold  = "hold  " // the resequencer let something go, or dropped it
	lineTopic = "topic " // a record can be consumed
)

func (s *devScreen) line(kind string, c color, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.colored && c != plain {
		fmt.Fprintf(s.out, "%s%s %s%s\n", c, kind, text, colorEnd)
		return
	}
	fmt.Fprintf(s.out, "%s %s\n", kind, text)
}

func (s *devScreen) print(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format, args...)
}

// welcome says what runs where, and what to try.
func (s *devScreen) welcome(d *dev) {
	broker, topicName := d.cfg.Kafka.Brokers[0], d.cfg.Kafka.Topic
	s.print(`chatbridge %s, for development

  callbacks   http://%s%s
  Kafka       %s, topic %s
  operator    http://%s/
  data        %s (the log is chatbridge.log in it)

Post the specification's example, as often as you like; it is in the topic once:

  curl -sS 'http://%s%s?SdkAppid=%d&CallbackCommand=%s&contenttype=json&ClientIP=127.0.0.1&OptPlatform=Web' -d '%s'

Read the topic from another terminal, with kcat or with chatbridge:

  kcat -C -b %s -t %s -f '%%k %%s\n'
  %s tail

in: a callback was answered, hold: what waited or was dropped, topic: what a consumer reads
(at the line's end its partition/offset). Ctrl-C stops.

`, thisBuild().Version, d.callbackHost(), d.cfg.HTTP.Path, broker, topicName, d.bridge.OpsAddr(), d.flags.dataDir,
		d.callbackHost(), d.cfg.HTTP.Path, devOpenApp, schema.CommandAfterSend, devExample,
		broker, topicName, s.program(d))
}

// program is how this program is called for the Kafka of this run.
func (s *devScreen) program(d *dev) string {
	program := os.Args[0]
	if d.flags.kafkaPort == 9092 {
		return program
	}
	return "CHATBRIDGE_KAFKA_BROKERS=" + d.cfg.Kafka.Brokers[0] + " " + program
}

// devExample is the specification's example request without its comments.
const devExample = `{"CallbackCommand":"Group.CallbackAfterSendMsg","GroupId":"@TGS#2J4SZEAEL","Type":"Public",` +
	`"From_Account":"jared","Operator_Account":"admin","Random":123456,"MsgId":"144115233406643804-1727580296-4026038328",` +
	`"MsgSeq":123,"MsgTime":1490686222,"OnlineOnlyFlag":1,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"red packet"}}],` +
	`"CloudCustomData":"your cloud custom data","EventTime":"1670574414123"}`

func (s *devScreen) stopping() {
	s.print("\nstopping: nothing more is taken, what was answered is drained\n")
}

// sent shows one callback of the simulated chat.
func (s *devScreen) sent(e simulate.Event) {
	name := streamName(e.Stream.GroupID, e.Stream.TopicID)
	switch {
	case e.Outcome == simulate.Dropped && e.Reason != "":
		// It was to be sent, but the chat has ended.
	case e.Outcome == simulate.Dropped:
		s.line(lineIn, uneasy, "%-16s #%-5d is taken and never sent (a join tip, say)", name, e.Seq)
	case e.Outcome != simulate.Stored:
		s.line(lineIn, bad, "%-16s #%-5d %s %s", name, e.Seq, e.Outcome, e.Reason)
	case e.Copy:
		s.line(lineIn, uneasy, "%-16s #%-5d again, a duplicate", name, e.Seq)
	case e.Overtaken:
		s.line(lineIn, uneasy, "%-16s #%-5d %s  (out of order: a later one came before)", name, e.Seq, said(e.Message))
	default:
		s.line(lineIn, plain, "%-16s #%-5d %s", name, e.Seq, said(e.Message))
	}
}

// relayHooks show what the resequencer does that the other lines do not.
func (s *devScreen) relayHooks() relay.Hooks {
	return relay.Hooks{
		Decided: func(d relay.Decided) {
			name := streamName(d.Event.Group.ID, d.Event.Group.TopicID)
			seq := d.Event.Message.Seq.Value
			switch {
			case d.Verdict == resequence.Duplicate:
				s.line(lineHold, uneasy, "%-16s #%-5d was here before: dropped", name, seq)
			case d.Held > 0:
				s.line(lineHold, uneasy, "%-16s #%-5d waited %s for those before it", name, seq, d.Held.Round(time.Millisecond))
			}
		},
		SentAside: func(topic string, reason schema.Reason) {
			s.line(lineHold, bad, "to %s: %s", topic, reason)
		},
	}
}

// follow shows the topic's records until ctx ends.
func (s *devScreen) follow(ctx context.Context, d *dev) {
	client, err := publisher.New(d.cfg.Publisher())
	if err != nil {
		s.print("the topic cannot be followed: %v\n", err)
		return
	}
	defer client.Close()
	t := topic.New(client, d.cfg.Kafka.Topic)
	n := 0
	for n == 0 && ctx.Err() == nil {
		n, _ = t.Partitions(ctx) // asked again until the bridge has made the topic
		if n == 0 && !waitFor(ctx, followPause) {
			return
		}
	}
	var partitions sync.WaitGroup
	for p := range n {
		partitions.Go(func() { s.followPartition(ctx, t, p) })
	}
	partitions.Wait()
}

const (
	followPause = 100 * time.Millisecond
	followWait  = 500 * time.Millisecond
)

func (s *devScreen) followPartition(ctx context.Context, t *topic.Topic, partition int) {
	_, next, err := t.Offsets(ctx, partition)
	for err != nil && waitFor(ctx, followPause) {
		_, next, err = t.Offsets(ctx, partition)
	}
	for ctx.Err() == nil {
		next, err = t.Follow(ctx, partition, next, followWait, func(r *publisher.Record) error {
			s.record(partition, r)
			return nil
		})
		if err != nil && !waitFor(ctx, followPause) {
			return
		}
	}
}

func (s *devScreen) record(partition int, r *publisher.Record) {
	marks, err := schema.ParseHeaders(func(key string) (string, bool) {
		for _, h := range r.Headers {
			if h.Key == key {
				return string(h.Value), true
			}
		}
		return "", false
	})
	event, decodeErr := schema.Decode(r.Value)
	if err != nil || decodeErr != nil {
		s.line(lineTopic, bad, "a record that is not an event, at %d/%d", partition, r.Offset)
		return
	}
	order := string(marks.Order)
	if marks.Hole.From > 0 {
		order = fmt.Sprintf("%s, %d-%d skipped", order, marks.Hole.From, marks.Hole.To)
	}
	s.line(lineTopic, good, "%-16s #%-5d %s  [%s] %d/%d", streamName(event.Group.ID, event.Group.TopicID),
		event.Message.Seq.Value, said(event), order, partition, r.Offset)
}

// streamName and said are clean: whoever can post to dev must not be able to
// drive the terminal.
func streamName(group, topic string) string {
	if topic == "" {
		return tail.Clean(group)
	}
	return tail.Clean(group + "/" + topic)
}

// said is who says what, shortened.
func said(e *schema.Event) string {
	const most = 40
	return tail.Clean(e.Sender.Account) + ": " + tail.Shorten(tail.Said(e), most)
}

// waitFor waits for d, or returns false because ctx has ended.
func waitFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
