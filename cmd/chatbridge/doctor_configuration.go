package main

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/chatbridge/chatbridge/bridge"
)

// configuration says everything that is wrong with the configuration, and what should
// be known of it. It reports whether there is one to go on with. overlooked says that
// one lies here and was not named.
func (d *doctor) configuration(settings *bridge.Settings, overlooked bool) (loaded bool) {
	loaded = true
	if faulty, ok := errors.AsType[*bridge.ConfigError](settings.Err()); ok {
		for _, f := range faulty.Faults {
			d.faults = append(d.faults, f.Key)
			loaded = loaded && (f.Key != "" || f.Origin.Layer != bridge.LayerFile)
			found, do := advice(f.String())
			d.fail("configuration", "%s", found).do("%s", cmp.Or(do, "put it right; chatbridge config check says whether it is"))
		}
		if overlooked {
			d.warn("configuration", "%s in this folder was not read", usualFile).do("give it with -c %s", usualFile)
		}
	}
	if !loaded {
		return false
	}
	for _, w := range settings.Warnings() {
		if !d.faulty(sectionOf(w.Key)) {
			d.warn("configuration", "%s", w).do("%s", warningAdvice(w.Key))
		}
	}
	if len(d.findings) == 0 {
		d.ok("configuration", "it has no fault")
	}
	return true
}

// warningAdvice is what to do about a warning of the configuration.
func warningAdvice(key string) string {
	switch {
	case sectionOf(key) == "apps":
		return "set a token in the chat console and in apps.tokens"
	case key == "spool.durability":
		return "set it to fsync, unless losing them is acceptable"
	case key == "kafka.sasl.mechanism":
		return "set kafka.tls.enabled, or use SCRAM-SHA-512"
	case key == "ops.password":
		return "set ops.tls, or listen on 127.0.0.1"
	}
	return "see the README's table of settings"
}

// sectionOf is the first part of a key.
func sectionOf(key string) string {
	if i := strings.IndexAny(key, ".["); i >= 0 {
		return key[:i]
	}
	return key
}

// faulty says whether something is wrong with key, above or below it.
func (d *doctor) faulty(key string) bool {
	return slices.ContainsFunc(d.faults, func(fault string) bool {
		return fault != "" && (fault == key || within(fault, key) || within(key, fault))
	})
}

// within says whether key lies in section.
func within(key, section string) bool {
	rest, ok := strings.CutPrefix(key, section)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// notChecked says of a check that the configuration is too wrong for it.
func (d *doctor) notChecked(check, key string) {
	d.warn(check, "not checked: %s has a fault in the configuration", key).do("put that right first")
}
