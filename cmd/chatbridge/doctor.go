package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chatbridge/chatbridge/bridge"
	"github.com/chatbridge/chatbridge/publisher"
)

func newDoctorCommand(env *environment) *cobra.Command {
	var (
		config     configFlags
		operator   operatorFlags
		timeServer string
		asJSON     bool
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and everything that the bridge depends on",
		Long: `Check everything that the bridge depends on, a line for each: the configuration, the
disk and its speed, the room on it, the clock, Kafka and the topics, the ports, the dates
of certificates, and the signature. Each line is ok, warn or fail, and says what to do.

It is safe beside a bridge that runs. The speed is measured on a small file beside the
spool, which is removed again. A running bridge is sent requests that it does not store:
a console's check, and for each token one that is signed and empty.

The clock is compared with --time-server, and with the times at which Tencent says that
the newest events occurred. The exit code is 1 where a line is fail, and 2 where the
configuration is wrong.`,
		Example: `  chatbridge doctor -c chatbridge.yaml
  chatbridge doctor -c chatbridge.yaml --time-server https://www.tencentcloud.com --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := config.load(env, nil)
			if err != nil {
				return err
			}
			d := doctor{env: env, cfg: &settings.Config, timeServer: timeServer, patience: operator.timeout}
			if d.operator, err = operator.open(settings); err != nil {
				return err
			}
			for _, w := range settings.Warnings() {
				d.warn("configuration", "%s", w)
			}
			return d.run(cmd.Context(), asJSON)
		},
	}
	config.register(cmd)
	operator.register(cmd)
	cmd.Flags().StringVar(&timeServer, "time-server", "", "a `URL` whose answers carry a right Date, to compare the clock with")
	addJSONFlag(cmd, &asJSON)
	return cmd
}

// doctor looks at everything that a bridge depends on.
type doctor struct {
	env        *environment
	cfg        *bridge.Config
	operator   *operator
	timeServer string
	patience   time.Duration

	alive    bool // a bridge of this configuration answers here
	events   bool // the events topic is there
	findings []diagnosis
}

// diagnosis is one line of doctor.
type diagnosis struct {
	Level publisher.Level `json:"level"`
	Check string          `json:"check"`
	Found string          `json:"found"`
	Do    string          `json:"do,omitempty"`
}

// doctorResult is what doctor --json prints.
type doctorResult struct {
	OK       bool        `json:"ok"`
	Findings []diagnosis `json:"findings"`
}

func (d *doctor) ok(check, format string, args ...any) {
	d.findings = append(d.findings, diagnosis{Level: publisher.LevelOK, Check: check, Found: fmt.Sprintf(format, args...)})
}

func (d *doctor) warn(check, format string, args ...any) *diagnosis {
	return d.add(publisher.LevelWarn, check, fmt.Sprintf(format, args...))
}

func (d *doctor) fail(check, format string, args ...any) *diagnosis {
	return d.add(publisher.LevelFail, check, fmt.Sprintf(format, args...))
}

func (d *doctor) add(level publisher.Level, check, found string) *diagnosis {
	d.findings = append(d.findings, diagnosis{Level: level, Check: check, Found: found})
	return &d.findings[len(d.findings)-1]
}

// do says what to do about the finding.
func (f *diagnosis) do(format string, args ...any) { f.Do = fmt.Sprintf(format, args...) }

// run makes all checks, and prints what they found.
func (d *doctor) run(ctx context.Context, asJSON bool) error {
	if len(d.findings) == 0 {
		d.ok("configuration", "it has no fault")
	}
	for _, check := range []func(context.Context){
		d.ports, d.disk, d.certificates, d.checkKafka, d.clock, d.signatures,
	} {
		check(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	failed := slices.ContainsFunc(d.findings, func(f diagnosis) bool { return f.Level == publisher.LevelFail })
	var err error
	if asJSON {
		err = writeJSON(d.env.stdout, doctorResult{OK: !failed, Findings: d.findings})
	} else {
		err = d.write()
	}
	if err == nil && failed {
		err = errFinding
	}
	return err
}

// write prints a line for each finding.
func (d *doctor) write() error {
	t := newTable(d.env, d.env.stdout, text("LEVEL"), text("CHECK"), text("FOUND"))
	for _, f := range d.findings {
		found := f.Found
		if f.Do != "" {
			found = strings.TrimSuffix(found, ".") + "; " + f.Do
		}
		t.add(cell{text: string(f.Level), color: levelColor(f.Level)}, text(f.Check), text(oneLine(found)))
	}
	return t.write(d.env.stdout)
}

// checkKafka is what topics check does, in few lines: what is wrong, or that
// nothing is.
func (d *doctor) checkKafka(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, defaultTopicsTimeout)
	defer cancel()
	findings, err := actOnTopics(ctx, d.cfg, d.patience, (*publisher.Client).Check)
	if err != nil {
		d.fail("kafka", "%v", err).do("look at the section kafka of the configuration")
		return
	}
	good, usable, reachable := 0, true, "Kafka can be used"
	for _, f := range findings {
		where := "kafka"
		if f.Topic != "" {
			where = "topic " + f.Topic
		}
		switch {
		case f.Level == publisher.LevelOK && f.What == "reachable":
			reachable = f.Sentence
		case f.Level == publisher.LevelOK:
			good++
		default:
			d.add(f.Level, where, withCause(f))
			usable = usable && (f.What != "reachable" || f.Level != publisher.LevelFail)
		}
		d.events = d.events || f.Level == publisher.LevelOK && f.What == "exists" && f.Topic == d.cfg.Kafka.Topic
	}
	if usable {
		d.ok("kafka", "%s; %s found as it should be", reachable, plural(int64(good), "more thing"))
	}
}
