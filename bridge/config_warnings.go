package bridge

// Warnings returns what is allowed but should be known: it is said when the
// bridge starts and by config check.
func (c *Config) Warnings() []Fault {
	var out []Fault
	warn := func(key, message string) { out = append(out, Fault{Key: key, Message: message}) }
	for i, app := range c.Apps {
		if len(app.Tokens) == 0 && app.TokensFile == "" {
			warn(indexed("apps", i), "has no token: whoever knows the URL can send callbacks in its name")
		}
	}
	if c.Spool.Durability != DurabilityFsync {
		warn("spool.durability", "is "+string(c.Spool.Durability)+": a power loss can lose callbacks that were answered OK")
	}
	if c.Kafka.SASL.Mechanism == "PLAIN" && !c.Kafka.TLS.Enabled {
		warn("kafka.sasl.mechanism", "is PLAIN without TLS: the password goes over the network readable")
	}
	if c.Ops.guarded() && c.Ops.TLS.CertFile == "" && !isLoopback(c.Ops.Listen) {
		warn("ops.password", "is asked for without ops.tls: it goes over the network readable")
	}
	return out
}

// Warnings returns those of the Config, with the places in its sources.
func (s *Settings) Warnings() []Fault {
	warnings := s.Config.Warnings()
	for i := range warnings {
		warnings[i].Origin = s.originNear(warnings[i].Key)
	}
	return warnings
}
