package integration

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// opsPassword guards the page in these tests.
const opsPassword = "a password of the tests"

// guarded gives the operator's listener of a bridge that is not running a password.
func guarded(b *bridge) *bridge {
	b.set = append(b.set, "ops.password="+opsPassword)
	b.ops = strings.Replace(b.ops, "http://", "http://operator:"+strings.ReplaceAll(opsPassword, " ", "%20")+"@", 1)
	return b
}

// TestThePageInABrowser: an operator's day. The page says that all is well, and
// goes on by itself: Kafka goes, and the first line says so; Kafka comes back, and
// it says that, too. By day and by night, on a phone, without its script, and for
// who does not see it. The console complains of nothing.
func TestThePageInABrowser(t *testing.T) {
	t.Parallel()
	tab := newBrowser(t)
	needsOwn(t, "it stops Kafka")
	kafka := startKafka(t, spec{})
	b := guarded(newBridge(t, kafka))
	b.start()
	b.ready()
	s := startSend(b, newLedger(t), "--rate", "200", "--retry", "-1")
	defer s.stop()
	post(t, b, query(commandAfterSend), []byte("not JSON"))
	unsigned := query(commandAfterSend)
	unsigned.Set("Sign", "wrong")
	post(t, b, unsigned, golden(t, "specification.callback.json"))

	tab.open(b.ops + "/")
	tab.shows("h1", "chatbridge")
	eval[int](tab, "window.opened = 1")
	tab.shows("#wrong", "not-json")
	tab.shows("#wrong", "signature-wrong")
	tab.shows("#parts", "takes events")
	tab.shows("#sum-published", "/s")
	tab.accessible("by day")

	eval[int](tab, "getSelection().selectAllChildren(document.body), 1")
	kafka.kill()
	tab.shows("#state", "Kafka is unreachable since")
	tab.shows("#paused", "Paused while you select: ")
	tab.accessible("while something is selected")
	eval[int](tab, "getSelection().removeAllRanges(), 1")
	tab.shows("#state", "What is safe")
	tab.shows("#partitions", "attempts")
	if text := tab.text("#paused"); text != "" {
		t.Errorf("nothing is selected, and the page says %q", text)
	}
	tab.shows("#spoken", "Kafka is unreachable since")
	tab.accessible("in trouble")
	tab.picture("trouble")
	if err := b.probe("/readyz", http.StatusOK); err != nil {
		t.Errorf("an outage of Kafka makes the bridge unready: %v", err)
	}
	kafka.start()
	eventually(t, "the sink is well", func() error { return b.probe("/sinkz", http.StatusOK) })
	tab.shows("#parts", "takes events")
	if eval[int](tab, "window.opened ?? 0") != 1 {
		t.Error("the page was loaded again: it is not live by itself")
	}
	byNightAndOnAPhone(tab)
	withoutScript(tab, b)
	// A dead letter is a minute's news.
	tab.shows("#state", "All is well")
	tab.picture("day")
	tab.calm()
}

// byNightAndOnAPhone leaves the page as it was.
func byNightAndOnAPhone(tab *browser) {
	t := tab.t
	t.Helper()
	const back = "getComputedStyle(document.body).backgroundColor"
	const chart = "document.querySelector('#charts img').currentSrc"
	day := eval[string](tab, back)
	tab.dark(true)
	eventually(t, "the charts are dark", func() error {
		if got := eval[string](tab, chart); !strings.Contains(got, "?dark") {
			return fmt.Errorf("the chart is %s", got)
		}
		return nil
	})
	if night := eval[string](tab, back); night == day {
		t.Errorf("by night the page is %s, as by day", night)
	}
	tab.accessible("by night")
	tab.screen(360, 760, true)
	tab.accessible("on a phone")
	if over := eval[int](tab, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		t.Errorf("on a phone the page is %d pixels wider than the screen", over)
	}
	tab.picture("phone")
	tab.screen(1280, 1000, false)
	tab.dark(false)
}

// withoutScript reads the page as it is served.
func withoutScript(tab *browser, b *bridge) {
	tab.t.Helper()
	tab.script(false)
	tab.open(b.ops + "/?group=nobody")
	for selector, text := range map[string]string{"#state": ".", "#found": "No stream of this group is known", "#parts": "Kafka", "pre": "ops:"} {
		if got := eval[string](tab, fmt.Sprintf("document.querySelector(%q).textContent", selector)); !strings.Contains(got, text) {
			tab.t.Errorf("without a script %s shows %q, not %q", selector, got, text)
		}
	}
	const again = "document.querySelector('meta[http-equiv=refresh]')?.content ?? ''"
	if got := eval[string](tab, again); got != "" {
		tab.t.Errorf("without a script the page goes on by itself after %s s, and empties its forms", got)
	}
	tab.open(b.ops + "/?watch")
	if got, forms := eval[string](tab, again), eval[int](tab, "document.querySelectorAll('form').length"); got == "" || forms != 0 {
		tab.t.Errorf("where it is watched without a script, the page goes on after %q s and has %d forms", got, forms)
	}
	tab.script(true)
	tab.open(b.ops + "/")
}

// press gives the page its token and presses a button.
func press(tab *browser, action string) {
	tab.t.Helper()
	eval[bool](tab, fmt.Sprintf("document.querySelector('#token').value = %q, document.querySelector('button[value=%s]').click(), true", opsPassword, action))
}

// TestThePageFindsAGroupInABrowser: somebody asks after message 5 of a group. The
// form is filled in, and the page says what the group waits for, and for how long;
// what it waits for comes, and the page says that.
func TestThePageFindsAGroupInABrowser(t *testing.T) {
	t.Parallel()
	tab := newBrowser(t)
	kafka := sharedKafka(t)
	b := startBridge(t, kafka, "resequence.hold=1m", "ops.action_token="+opsPassword)
	send := func(seq int) {
		body := fmt.Sprintf(`{"GroupId":"@TGS#1PAGE","MsgSeq":%d,"MsgTime":1760000000,"Random":%d}`, seq, seq)
		if a := post(t, b, query(commandAfterSend), []byte(body)); a.Status != http.StatusOK {
			t.Fatalf("message %d was answered %d", seq, a.Status)
		}
	}
	for _, seq := range []int{1, 2, 2, 5} {
		send(seq)
	}
	tab.open(b.ops + "/")
	eval[bool](tab, "document.querySelector('#group').value = '@TGS#1PAGE', document.querySelector('form button').click(), true")
	tab.shows("#found", "Group @TGS#1PAGE")
	tab.shows("#found", "5 (for ")
	tab.shows("#found", "3–4")
	tab.shows("#found", "offset 1,")
	tab.accessible("a group found")
	tab.picture("group-found")
	for _, seq := range []int{3, 4} {
		send(seq)
	}
	tab.shows("#found", "offset 4,")
	tab.shows("#found", "Waits for\nnothing")
	for action, says := range map[string]string{"pause": "Publishing is paused by the operator", "verify": "the spool was verified"} {
		press(tab, action)
		tab.shows("body", says)
	}
	press(tab, "resume")
	tab.shows("#state", "All is well")
	tab.calm()

	// What is on the page is old, and the page says so, until it is not.
	b.kill()
	tab.shows("#lost", "The bridge does not answer since")
	b.start()
	eventually(t, "the page is live again", func() error {
		if !eval[bool](tab, "document.querySelector('#lost').hidden") {
			return errors.New(tab.text("#lost"))
		}
		return nil
	})
}
