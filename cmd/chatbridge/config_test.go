package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigCommands(t *testing.T) {
	t.Parallel()
	var s transcript
	environ := fake{environ: []string{"CHATBRIDGE_KAFKA_TOPIC=from.environment", "CHATBRIDGE_APPS_0_TOKENS=also-secret"}}
	s.add(t, fake{}, "config", "check", "-c", "testdata/good.yaml")
	s.add(t, fake{}, "config", "check", "-c", "testdata/unsigned.yaml")
	s.add(t, fake{}, "config", "check", "-c", "testdata/unsigned.yaml", "--json")
	s.add(t, fake{}, "config", "check", "-c", "testdata/faulty.yaml")
	s.add(t, fake{}, "config", "check", "-c", "testdata/faulty.yaml", "--json")
	s.add(t, fake{}, "config", "check", "-c", "testdata/syntax.yaml")
	s.add(t, fake{}, "config", "check", "-c", "testdata/missing.yaml")
	s.add(t, fake{}, "config", "check")
	s.add(t, fake{environ: []string{"CHATBRIDGE_APP_0_TOKEN=x"}}, "config", "check", "-c", "testdata/good.yaml")
	s.add(t, fake{}, "config", "print")
	s.add(t, environ, "config", "print", "-c", "testdata/good.yaml", "--set", "log.level=debug", "--sources")
	s.add(t, environ, "config", "print", "-c", "testdata/good.yaml", "--json")
	s.add(t, fake{}, "config", "print", "-c", "testdata/faulty.yaml")
	s.compare(t, "config.golden")
	for _, secret := range []string{"very-secret", "token-one", "5f2b8c1d9e7a4036b1c2"} {
		if strings.Contains(s.text.String(), secret) {
			t.Errorf("%s is shown", secret)
		}
	}
}

func TestConfigPrintWithSourcesAsJSON(t *testing.T) {
	t.Parallel()
	r := runCommand(t, "config", "print", "-c", "testdata/good.yaml", "--json", "--sources")
	for _, want := range []string{`"kafka.topic": "default"`, `"kafka.brokers": "testdata/good.yaml:9:3"`, `"settings": {`} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%s is not in:\n%s", want, r.stdout)
		}
	}
}

// Who forgets -c is told that a file lies here; it is not read unasked.
func TestAFileThatLiesHereIsNamedNotRead(t *testing.T) {
	good, err := os.ReadFile("testdata/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile(usualFile, good, 0o600); err != nil {
		t.Fatal(err)
	}
	want := "chatbridge: apps: there is none; give at least one with its sdk_app_id, or no callback would be accepted\n" +
		"(chatbridge.yaml in this folder was not read; give it with -c chatbridge.yaml)\n"
	if r := runCommand(t, "config", "check"); r.stderr != want || r.code != exitUsage {
		t.Errorf("exit %d, stderr:\n%s", r.code, r.stderr)
	}
	if r := runCommand(t, "config", "check", "-c", usualFile); r.code != exitGood || r.stdout != "ok\n" {
		t.Errorf("with -c: %+v", r)
	}
}

// The example in deploy/ is what a user begins with.
func TestExampleFilePassesTheCheck(t *testing.T) {
	t.Parallel()
	r := runCommand(t, "config", "check", "-c", filepath.Join("..", "..", "deploy", "chatbridge.example.yaml"))
	if r.code != exitGood || r.stdout != "ok\n" {
		t.Errorf("%+v", r)
	}
}
