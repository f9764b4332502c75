package integration

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestRunbookKafkaAwayUntilTheSpoolIsFull: P1, P2, and the alerts of an outage in
// the order in which they come. Kafka comes back, and they go.
func TestRunbookKafkaAwayUntilTheSpoolIsFull(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	needsOwn(t, "the runbook's alerts for a Kafka that is away until the spool is full")
	kafka := newKafka(t, spec{})
	r := read(t, newBridge(t, kafka, "spool.max_bytes=256MiB"))
	ledger := newLedger(t)
	send(r.bridge, ledger, "--rate", "0", "--count", "50")
	r.follows("Kafka was stopped", "SinkDown critical", `"ok": false`, `nothing listens at`, `^chatbridge_spool_oldest_age_seconds `)
	send(r.bridge, ledger, "--rate", "0", "--count", "6000", "--body-size", "65536")
	r.follows("Kafka stays away, and 6,000 callbacks of 64 KiB come to a spool of 256 MiB", "DiskFilling warning", `^chatbridge_spool_max_bytes 2.68435456e\+08`, `^chatbridge_sink_ok 0`, `256`)
	r.follows("The same, a moment later", "DiskFilling critical", `^chatbridge_spool_bytes 2.68435456e\+08`)
	r.follows("The spool is full", "NotReady critical", `"ok": false`, `full`, `^chatbridge_sink_ok 0`)
	r.follows("Callbacks go on to come to the full spool", "CallbacksLost critical", `outcome="full"\} [1-9]`)
	kafka.start()
	for _, alert := range []string{"SinkDown critical", "NotReady critical", "DiskFilling warning"} {
		r.clears(r.bridge, alert)
	}
	t.Log(audit(r.bridge, ledger))
}

// TestRunbookBridgeAway: the bridge is killed again and again; then Prometheus
// forgets that there is one.
func TestRunbookBridgeAway(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	r := read(t, newBridge(t, nowhere()))
	for n := 1; n <= 3; n++ {
		r.bridge.kill()
		if n == 1 {
			r.follows("The bridge was killed", "Down critical", `curl: \(7\)`)
		}
		r.bridge.start()
		r.ready()
		r.scraped(fmt.Sprintf("changes(%s[30m]) >= %d", r.of("process_start_time_seconds"), n))
	}
	r.clears(r.bridge, "Down critical")
	r.follows("It was killed and started for the third time", "Restarting critical", `^ok`)
	r.watch()
	r.follows("The bridge was taken out of Prometheus' targets", "Absent critical", `^ok`, `^chatbridge_build_info`)
	r.watch(r.bridge)
	r.clears(nil, "Absent critical")
}

// TestRunbookOneOfTwo: Prometheus forgets one of two bridges, which runs.
func TestRunbookOneOfTwo(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	r := read(t, newBridge(t, nowhere()))
	other := startBridge(t, nowhere())
	r.watch(r.bridge, other)
	r.scraped(`max_over_time((count(up{job="chatbridge"}))[1h:15s]) >= 2`)
	r.watch(other)
	r.follows("One of two bridges was taken out of Prometheus' targets", "Gone warning", `^ok`, `^chatbridge_build_info`)
	r.watch(r.bridge, other)
	r.clears(nil, "Gone warning")
}

// TestRunbookKafkaComesAndGoes: P1, P2. Each time it is back before anybody would be
// woken.
func TestRunbookKafkaComesAndGoes(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	needsOwn(t, "the runbook's alert for a Kafka that comes and goes")
	kafka := startKafka(t, spec{})
	r := read(t, newBridge(t, kafka))
	ledger := newLedger(t)
	load := startSend(r.bridge, ledger, "--rate", "50", "--retry", "-1")
	well := r.of("chatbridge_sink_ok")
	for range 3 {
		r.scraped(well)
		kafka.each(machine.stop)
		r.scraped(well + " == bool 0")
		kafka.start()
	}
	r.scraped(well)
	r.follows("Kafka was stopped and started three times", "SinkDown warning", `"ok": true`, `^chatbridge_spool_oldest_age_seconds `)
	t.Log(load.stop())
	t.Log(audit(r.bridge, ledger))
}

// TestRunbookCallbacksThatAreNotTaken: signed wrongly, too large, and sent too slowly.
func TestRunbookCallbacksThatAreNotTaken(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	r := read(t, newBridge(t, nowhere()))
	wrong := query(commandAfterSend)
	wrong.Set("Sign", strings.Repeat("0", 64))
	refused := func(times int) {
		for range times {
			post(t, r.bridge, wrong, golden(t, "specification.callback.json"))
		}
	}
	refused(8) // within five minutes: less than one in twenty seconds
	r.follows("Eight callbacks come, all signed wrongly", "Refusing warning", `outcome="signature-wrong"\} 8`, `outcome="stored"\} 0`)
	post(t, r.bridge, query(commandAfterSend), bytes.Repeat([]byte(" "), 1<<20+1))
	r.follows("A callback of more than 1 MiB comes", "BodiesRefused warning", `outcome="too-large"\} 1`, `max_body: 1MiB`)
	var slow sync.WaitGroup
	for range 5 {
		slow.Go(func() { slowly(t, r.bridge, 1500*time.Millisecond) })
	}
	slow.Wait()
	r.follows("A sender takes a second and a half for each body of five", "SlowAnswers critical", `^chatbridge_answer_seconds_sum ([7-9]|\d\d)`, `^chatbridge_answer_seconds_count 5`)
	refused(60) // more than one in twenty seconds
	r.follows("Sixty more come signed wrongly, and five rightly", "Refusing critical", `outcome="signature-wrong"\} 68`, `outcome="stored"\} 5`)
	r.fires(r.bridge, "Refusing warning")
}

// TestRunbookSilence: what Prometheus knows of a week ago is written for it, and
// nobody posts now. One callback ends the alert.
func TestRunbookSilence(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	b := newBridge(t, nowhere())
	w := newWatcher(t)
	w.remember(aWeekAgo(b))
	r := readBeside(t, b, w)
	r.follows("Nobody posts; Prometheus was given samples of a week ago, when somebody did", "Silent warning", `^ready`)
	post(t, b, query(commandAfterSend), golden(t, "specification.callback.json"))
	r.clears(b, "Silent warning")
}

// aWeekAgo is the samples of a bridge that stored a callback every fifteen seconds,
// from two hours before this time of a week ago until two after it.
func aWeekAgo(b *bridge) string {
	var text strings.Builder
	text.WriteString("# TYPE chatbridge_callbacks counter\n")
	from := time.Now().Add(-7*24*time.Hour - 2*time.Hour)
	for n := range 4 * 60 * 4 {
		fmt.Fprintf(&text, "chatbridge_callbacks_total{instance=%q,job=\"chatbridge\",outcome=\"stored\"} %d %d\n",
			b.instance(), n, from.Add(time.Duration(n)*15*time.Second).Unix())
	}
	text.WriteString("# EOF\n")
	return text.String()
}

// TestRunbookMoreGroupsThanFit: P3. More groups speak than the bridge can keep in
// mind; what they say comes in order, so that nothing is lost by it.
func TestRunbookMoreGroupsThanFit(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	r := read(t, newBridge(t, sharedKafka(t)))
	ledger := newLedger(t)
	send(r.bridge, ledger, "--rate", "0", "--groups", "1500000", "--topics", "0", "--count", "750000", "--text-only", "--disorder", "0%", "--duplicate", "0%", "--drop", "0%")
	r.follows("590,000 groups say one thing or two", "Forgetting info", `^chatbridge_resequence_forgotten_total [1-9]`)
	t.Log(audit(r.bridge, ledger))
}

// slowly posts one callback whose body comes only after a pause, which begins when
// the bridge asks for it.
func slowly(t testing.TB, b *bridge, pause time.Duration) {
	t.Helper()
	body := golden(t, "specification.callback.json")
	address := strings.TrimSuffix(strings.TrimPrefix(b.url, "http://"), "/callback")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /callback?%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n", query(commandAfterSend).Encode(), address, len(body))
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"
	asked := make([]byte, len(goOn))
	if _, err := io.ReadFull(conn, asked); err != nil || string(asked) != goOn {
		t.Errorf("the bridge asks for the body by %q, %v", asked, err)
		return
	}
	hold(pause)
	if _, err := conn.Write(body); err != nil {
		t.Error(err)
		return
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		t.Errorf("a body that took %v was answered %q, %v", pause, answer, err)
	}
}

// TestRunbookSlowKafka: P3, P4. Each answer of Kafka takes three seconds, and one
// group has much to say: what it said first waits for more than a minute. Then the
// network is mended.
func TestRunbookSlowKafka(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	needsReal(t, "the runbook's alert for a slow Kafka, behind a proxy")
	needsOwn(t, "the runbook's alert for a slow Kafka, behind a proxy")
	slow := listener{name: "SLOW", protocol: "PLAINTEXT", advertised: []int{freePort(t)}}
	kafka := startKafka(t, spec{listeners: []listener{slow}})
	way := newPassage(t, slow.advertised[0], kafka.nodes[0].ports[slow.name])
	r := read(t, newBridge(t, kafka, "kafka.brokers="+kafka.advertisedAt(slow), "kafka.compression=none"))
	ledger := newLedger(t)
	said := func(count int) {
		send(r.bridge, ledger, "--groups", "1", "--topics", "0", "--rate", "0", "--count", itoa(count), "--body-size", "65536")
	}
	said(20)
	r.drained()
	way.spoil("latency", down, map[string]int{"latency": 3000})
	said(700)
	r.follows("Each answer of Kafka takes three seconds, and one group has 700 messages", "Lagging warning", `^chatbridge_partition_lag_seconds\{partition="\d+"\} (6\d|[7-9]\d|\d{3})\.`, `^chatbridge_publish_seconds_count`)
	way.mended()
	r.clears(r.bridge, "Lagging warning")
	t.Log(audit(r.bridge, ledger))
}

// TestRunbookDamage: P1. A byte rots on the disk. The spool is moved to another one,
// and the rest is published there; the alert ends as the runbook says.
func TestRunbookDamage(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	needsOwn(t, "the runbook's alert for damage, with a Kafka that comes later")
	kafka := newKafka(t, spec{})
	b := newBridge(t, kafka)
	b.start()
	b.ready()
	for seq := 1; seq <= 3; seq++ {
		post(t, b, query(commandAfterSend), callbackOf("rot", seq, 100))
	}
	b.kill()
	rot(t, b, `"MsgSeq":1`)
	r := read(t, b)
	r.follows("A bit of a stored callback was changed while the bridge was stopped", "Damaged critical", `damage`, `^chatbridge_spool_quarantined_files 1`)

	r.movesTheSpool()
	kafka.start()
	b.drained()
	eventually(t, "the damaged segments are gone, and the kept ones are not", func() error {
		left, err := filepath.Glob(filepath.Join(b.spool, "*.seg"))
		for _, name := range left {
			if _, statErr := os.Stat(name + ".damaged"); statErr == nil {
				err = fmt.Errorf("there is still %s", name)
			}
		}
		return err
	})
	b.kill()
	kept, err := filepath.Glob(filepath.Join(b.spool, "*.damaged"))
	if err != nil || len(kept) == 0 {
		t.Fatalf("the kept files are %v, %v", kept, err)
	}
	for _, name := range kept {
		if err := os.Rename(name, filepath.Join(t.TempDir(), filepath.Base(name))); err != nil {
			t.Fatal(err)
		}
	}
	b.start()
	b.ready()
	r.clears(b, "Damaged critical")
}

// rot changes one bit of what is on the disk.
func rot(t testing.TB, b *bridge, at string) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(b.spool, "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range segments {
		stored, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(stored, []byte(at)); i >= 0 {
			stored[i] ^= 1
			if err := os.WriteFile(name, stored, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no segment of %v has %s", segments, at)
}

// TestRunbookWhatIsPublishedOddly: P3, P4, P6. Dead letters, late ones, and a topic
// that is given a partition.
func TestRunbookWhatIsPublishedOddly(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	kafka := sharedKafka(t)
	r := read(t, newBridge(t, kafka, "resequence.hold=0"))
	post(t, r.bridge, query(commandAfterSend), []byte("not JSON"))
	r.follows("A callback that is not JSON was posted", "DeadLetters warning", `reason="not-json"\} 1`)
	ledger := newLedger(t)
	send(r.bridge, ledger, "--rate", "500", "--count", "1000")
	r.follows("The hold is 0, and one callback of five is overtaken", "LateEvents warning", `order="late"\} [1-9]`, `^chatbridge_resequence_hold_seconds 0`)
	r.drained()
	kafka.morePartitions(r.events, 13)
	send(r.bridge, ledger, "--rate", "500", "--count", "1000")
	r.follows("The topic was given a 13th partition", "TopicChanged warning", `change="more-partitions"\} 1`)
}

// TestRunbookSettings: P1, P7. What is set so that it promises less, and a
// certificate that is renewed in the last moment.
func TestRunbookSettings(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	ca := newAuthority(t, "the CA of the runbook")
	cert, key := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	certify := func(left time.Duration) {
		p := ca.issue("bridge", "127.0.0.1", time.Now().Add(left))
		writeText(t, cert, p.cert)
		writeText(t, key, p.key)
	}
	certify(24 * time.Hour)
	b := newBridge(t, nowhere(), "spool.durability=memory", "http.tls.cert_file="+cert, "http.tls.key_file="+key)
	writeText(t, b.config, strings.Replace(readFile(t, b.config), fmt.Sprintf("    tokens: [%q]\n", appToken), "", 1))
	r := read(t, b)
	r.follows("The app's token was left out of the configuration", "UnsignedApps warning", `^chatbridge_unsigned_apps 1`, `apps\[0\]: has no token`)
	r.follows("spool.durability is memory", "NotDurable warning", `mode="memory"`, `durability: memory`)
	r.follows("The listener's certificate has one day left", "CertificateExpires critical", `use="http"`)
	certify(10 * 24 * time.Hour)
	r.clears(b, "CertificateExpires critical")
	r.follows("It was renewed for ten days", "CertificateExpires warning", `use="http"`)
	certify(100 * 24 * time.Hour)
	r.clears(b, "CertificateExpires warning")
}

// TestRunbookDisk: P1. A disk that stands still for a second, and one that fails.
func TestRunbookDisk(t *testing.T) {
	t.Parallel()
	needsPrometheus(t)
	if why := canMakeDevices(t); why != "" {
		notCovered(t, "the runbook's alerts for a bad disk: "+why)
	}
	s := &stage{t: t, site: &site{kafka: sharedKafka(t)}, scene: &scene{}}
	onDevice(s)
	s.bridge.spool = filepath.Join(s.spoolDisk, "spool")
	r := read(t, s.bridge)
	s.must(command("fsfreeze", "--freeze", s.spoolDisk))
	t.Cleanup(func() { _ = command("fsfreeze", "--unfreeze", s.spoolDisk) }) // where the test ends before it does
	ledger := newLedger(t)
	load := startSend(r.bridge, ledger, "--rate", "10", "--count", "10", "--timeout", "1m")
	eventually(t, "the bridge waits for the disk", func() error { return waitsForDisk(r.bridge.cmd.Process.Pid) })
	r.follows("The disk stands still, and callbacks come", "NotReady critical", `has not answered a write`, `^chatbridge_sink_ok 1`)
	s.must(command("fsfreeze", "--unfreeze", s.spoolDisk))
	load.summary()
	r.follows("The disk stood still for some seconds", "SlowFsync warning", `^chatbridge_spool_fsync_seconds_sum [1-9]`)

	remove := s.ballast(0)
	load = startSend(r.bridge, ledger, "--rate", "100", "--body-size", "65536")
	r.follows("The disk, a loop device in a file, has no blocks left under it", "DiskErrors warning", `"ok"`)
	load.stop()
	remove()
	eventually(t, "the bridge stores again, or its file system has given up", func() error {
		if gaveUp(s.spoolDisk) || !r.bridge.alive() {
			return nil
		}
		return r.probe("/readyz", http.StatusOK)
	})
}

// waitsForDisk returns an error unless a thread of the process is in uninterruptible
// sleep, as one that writes to a frozen file system is (proc(5)).
func waitsForDisk(pid int) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return err
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err == nil && bytes.Contains(text, []byte(") D ")) {
			return nil
		}
	}
	return fmt.Errorf("none of %d threads does", len(threads))
}
