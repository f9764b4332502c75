package integration

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// roleVariable says what the test binary is, where it is not the tests.
// CHATBRIDGE_TEST_… is the part of the program's variables that is left to tests.
const roleVariable = "CHATBRIDGE_TEST_ROLE"

// size is how much is tested; every field is a flag.
type size struct {
	messages    int    // of the order test
	kills       int    // of serve, for each variant
	brokerKills int    // of Kafka, and of both at once
	rate        int    // callbacks a second while something is killed
	seed        uint64 // of every random choice
	logs        string // where logs, spools and Kafka's data are kept; "" = a temporary folder
	rounds      int    // of each benchmark
	scale       float64
	minutes     int    // of the fault table; 0 = it is not asked for
	table       string // the file that gets the fault table; "" = none
	pictures    string // the folder that gets the pictures of the page; "" = none
	coldRead    string // the file that gets the cold read of the runbook; "" = none
}

// sizes is set by flags, and read by tests only.
var sizes size

// program is the program under test. TestMain sets it before any test runs.
var program string

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	intFlag(&sizes.messages, "messages", 20_000, "messages of the order test")
	intFlag(&sizes.kills, "kills", 4, "kills of serve, for each variant")
	intFlag(&sizes.brokerKills, "broker-kills", 3, "kills of Kafka, for each variant")
	intFlag(&sizes.rate, "rate", 2000, "callbacks a second while something is killed")
	intFlag(&sizes.rounds, "rounds", 5, "rounds of each benchmark")
	intFlag(&sizes.minutes, "minutes", 0, "about how long the faults of the table are played; 0 plays none, 60 the full form")
	flag.StringVar(&sizes.table, "chatbridge.table", os.Getenv("CHATBRIDGE_TEST_TABLE"), "file that gets the fault table, as Markdown")
	flag.StringVar(&sizes.pictures, "chatbridge.pictures", "", "folder that gets the pictures of the operator's page")
	flag.StringVar(&sizes.coldRead, "chatbridge.cold-read", "", "file that gets the cold read of the runbook, as Markdown")
	flag.Float64Var(&sizes.scale, "chatbridge.scale", 1, "share of the full size at which benchmarks with a backlog run")
	flag.Uint64Var(&sizes.seed, "chatbridge.seed", 0, "seed of every random choice; 0 chooses one")
	flag.StringVar(&sizes.logs, "chatbridge.logs", "", "folder in which logs, spools and Kafka's data are kept")
	flag.Parse()
	if sizes.seed == 0 {
		sizes.seed = uint64(rand.Uint32())
	}
	os.Exit(buildAndRun(m))
}

// intFlag defines a flag whose default is the variable of the same name, so that
// a run of several packages can be sized too.
func intFlag(to *int, name string, otherwise int, usage string) {
	variable := "CHATBRIDGE_TEST_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		otherwise = n
	}
	flag.IntVar(to, "chatbridge."+name, otherwise, usage)
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "chatbridge-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "chatbridge")
	build := exec.Command("go", "build", "-race="+strconv.FormatBool(raced), "-o", program, "../cmd/chatbridge")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	whole.end()
	report()
	if sizes.coldRead != "" && code == 0 {
		if err := writeColdRead(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if err := insisted(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// play is a process that is not the tests; it returns the exit code.
func play(role string) int {
	roles := map[string]func() error{
		fakeRole: playFake, echoRole: playEcho, fillRole: playFill, produceRole: playProduce,
	}
	run, ok := roles[role]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s=%q is no role\n", roleVariable, role)
		return 2
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
