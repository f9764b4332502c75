package main

import (
	"cmp"
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
the newest events occurred. Where the configuration has faults, each is a line, and what
does not need the faulty section is checked all the same.

The exit code is 1 where a line is fail, and 2 where the configuration is wrong.`,
		Example: `  chatbridge doctor -c chatbridge.yaml
  chatbridge doctor -c chatbridge.yaml --time-server https://www.tencentcloud.com --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := operator.check(); err != nil {
				return err
			}
			settings, err := config.read(env, nil)
			if err != nil {
				return err
			}
			d := doctor{env: env, cfg: &settings.Config, timeServer: timeServer, patience: operator.timeout}
			if !d.configuration(settings, config.overlooked()) {
				return d.report(asJSON)
			}
			if d.operator, err = operator.open(settings); err != nil && !d.faulty("ops") {
				return err
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
	operator   *operator // nil where a fault in the section ops keeps it from being asked
	timeServer string
	patience   time.Duration

	faults   []string // the keys of what is wrong with the configuration; "" for a source as such
	alive    bool     // a bridge of this configuration answers here
	events   bool     // the events topic is there
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

// run makes all checks, and prints what they found. A check that a fault of the
// configuration makes pointless says so.
func (d *doctor) run(ctx context.Context, asJSON bool) error {
	for _, check := range []struct {
		name, section string
		look          func(context.Context)
	}{
		{"port", "", d.ports},
		{"spool", "spool", d.disk},
		{"certificates", "", d.certificates},
		{"kafka", "kafka", d.checkKafka},
		{"clock", "", d.clock},
		{"signature", "apps", d.signatures},
	} {
		if check.section != "" && d.faulty(check.section) {
			d.notChecked(check.name, check.section)
			continue
		}
		check.look(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return d.report(asJSON)
}

// report prints the findings. A fault of the configuration is exit code 2, another
// one 1.
func (d *doctor) report(asJSON bool) error {
	failed := slices.ContainsFunc(d.findings, func(f diagnosis) bool { return f.Level == publisher.LevelFail })
	var err error
	if asJSON {
		err = writeJSON(d.env.stdout, doctorResult{OK: !failed, Findings: d.findings})
	} else {
		err = d.write()
	}
	switch {
	case err != nil:
		return err
	case len(d.faults) > 0:
		return errFaultsShown
	case failed:
		return errFinding
	}
	return nil
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
			found, do := advice(f.Sentence)
			d.add(f.Level, where, withCause(publisher.Finding{Sentence: found, Cause: f.Cause})).
				do("%s", cmp.Or(do, kafkaAdvice(f.What)))
			usable = usable && (f.What != "reachable" || f.Level != publisher.LevelFail)
		}
		d.events = d.events || f.Level == publisher.LevelOK && f.What == "exists" && f.Topic == d.cfg.Kafka.Topic
	}
	if usable {
		d.ok("kafka", "%s; %s found as it should be", reachable, plural(int64(good), "more thing"))
	}
}

// kafkaAdvice is what to do about a finding whose sentence leaves that to the reader.
func kafkaAdvice(what string) string {
	switch what {
	case "in-sync":
		return "bring the brokers that hold it up"
	case "min.insync.replicas":
		return "add replicas, or lower min.insync.replicas"
	}
	return "see chatbridge topics check"
}

// advice cuts a sentence into what was found and, behind the first semicolon, what
// to do about it: so are the sentences made that say what is wrong.
func advice(sentence string) (found, do string) {
	found, do, _ = strings.Cut(sentence, "; ")
	return found, do
}
