package integration

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A fortress is a Kafka that asks who is there, in all the ways that Kafka has:
// each on a listener of its own, so that one broker serves every case. Whoever
// comes by the plain listener may do everything: that is how tests prepare it.
type fortress struct {
	*cluster
	ca, stranger *authority // the one that the broker trusts, and one that it does not
}

// The listeners of a fortress beside the plain one.
const (
	loginListener     = "LOGIN"     // a login: PLAIN or SCRAM
	scramListener     = "SCRAM"     // a login: SCRAM-SHA-512 only
	tlsListener       = "TLS"       // TLS
	loginTLSListener  = "LOGINTLS"  // TLS and a login
	mutualListener    = "MUTUAL"    // TLS, and the client shows a certificate
	expiredListener   = "EXPIRED"   // TLS, with a certificate that is expired
	elsewhereListener = "ELSEWHERE" // TLS, with a certificate for another host
)

// The passwords of a fortress: PLAIN's are fixed while it runs, SCRAM's are not.
const (
	keeper = "bridge" // may do everything
	secret = "opensesame"
	guess  = "opencaraway" // a wrong one
)

// startFortress returns a fortress; users may log in by PLAIN and may do nothing
// before they are allowed to.
func startFortress(t testing.TB, users ...string) *fortress {
	t.Helper()
	f := &fortress{ca: newAuthority(t, "the brokers' CA"), stranger: newAuthority(t, "a stranger's CA")}
	good := f.ca.issue("kafka", "127.0.0.1", tomorrow())
	f.cluster = startKafka(t, spec{
		properties: f.properties(append(users, keeper)),
		listeners: []listener{
			{name: loginListener, protocol: "SASL_PLAINTEXT"}, {name: scramListener, protocol: "SASL_PLAINTEXT"},
			{name: tlsListener, protocol: "SSL"}, {name: loginTLSListener, protocol: "SASL_SSL"},
			{name: mutualListener, protocol: "SSL"}, {name: expiredListener, protocol: "SSL"}, {name: elsewhereListener, protocol: "SSL"},
		},
		files: map[string][]byte{
			"good.pem":      good.both(),
			"expired.pem":   f.ca.issue("kafka", "127.0.0.1", time.Now().Add(-time.Hour)).both(),
			"elsewhere.pem": f.ca.issue("kafka", "elsewhere.example", tomorrow()).both(),
			"ca.pem":        []byte(f.ca.pem),
		},
	})
	f.setScram(keeper, secret)
	return f
}

func tomorrow() time.Time { return time.Now().Add(24 * time.Hour) }

func (f *fortress) properties(users []string) map[string]string {
	p := map[string]string{
		"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":           "User:ANONYMOUS;User:CN=" + keeper + ";User:" + keeper,
	}
	for name, file := range map[string]string{
		tlsListener: "good", loginTLSListener: "good", mutualListener: "good", expiredListener: "expired", elsewhereListener: "elsewhere",
	} {
		at := "listener.name." + strings.ToLower(name) + ".ssl."
		p[at+"keystore.type"], p[at+"keystore.location"] = "PEM", "$FILES/"+file+".pem"
		if name == mutualListener {
			p[at+"truststore.type"], p[at+"truststore.location"] = "PEM", "$FILES/ca.pem"
			p[at+"client.auth"] = "required"
		}
	}
	var plain strings.Builder
	for _, name := range users {
		fmt.Fprintf(&plain, " user_%s=%q", name, secret)
	}
	// Logins by this mechanism end soon, so that each is made many times in a test.
	p["listener.name."+strings.ToLower(loginListener)+".scram-sha-256.connections.max.reauth.ms"] = "1000"
	for _, name := range []string{loginListener, loginTLSListener, scramListener} {
		at := "listener.name." + strings.ToLower(name) + "."
		mechanisms := []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
		if name == scramListener {
			mechanisms = mechanisms[2:]
		}
		p[at+"sasl.enabled.mechanisms"] = strings.Join(mechanisms, ",")
		for _, m := range mechanisms {
			module := "scram.ScramLoginModule required"
			if m == "PLAIN" {
				module = "plain.PlainLoginModule required" + plain.String()
			}
			p[at+strings.ToLower(m)+".sasl.jaas.config"] = "org.apache.kafka.common.security." + module + ";"
		}
	}
	return p
}

// location is where the broker itself has a file of the spec.
func (f *fortress) location(file string) string {
	if f.way.name == "container" {
		return filesInside + "/" + file
	}
	return f.files + "/" + file
}

// ask sends a request to the broker, by somebody else's client.
func ask[R kmsg.Response](f *cluster, req kmsg.Request) R {
	f.t.Helper()
	client := f.client()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	res, err := client.Request(ctx, req)
	if err != nil {
		f.t.Fatalf("%s: %v", kmsg.NameForKey(req.Key()), err)
	}
	return res.(R)
}

// setScram gives a user a password for both SCRAMs.
func (f *fortress) setScram(user, password string) {
	f.t.Helper()
	for mechanism, sum := range map[int8]func() hash.Hash{1: sha256.New, 2: sha512.New} {
		req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest() // for one mechanism: Kafka takes no user twice
		u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
		u.Name, u.Mechanism, u.Iterations, u.Salt = user, mechanism, 4096, make([]byte, 16)
		_, _ = rand.Read(u.Salt) // never fails
		salted, err := pbkdf2.Key(sum, password, u.Salt, int(u.Iterations), sum().Size())
		if err != nil {
			f.t.Fatal(err)
		}
		u.SaltedPassword = salted
		req.Upsertions = append(req.Upsertions, u)
		res := ask[*kmsg.AlterUserSCRAMCredentialsResponse](f.cluster, req)
		if err := kerr.ErrorForCode(res.Results[0].ErrorCode); err != nil {
			f.t.Fatalf("the password of %s: %v", user, err)
		}
	}
}

// allow lets a user do something with a topic; "" is every topic.
func (f *fortress) allow(user, topic string, operations ...kmsg.ACLOperation) {
	f.t.Helper()
	f.rule(kmsg.ACLPermissionTypeAllow, user, topic, operations)
}

// deny keeps a user from something that he may do otherwise.
func (f *fortress) deny(user, topic string, operations ...kmsg.ACLOperation) {
	f.t.Helper()
	f.rule(kmsg.ACLPermissionTypeDeny, user, topic, operations)
}

func (f *fortress) rule(kind kmsg.ACLPermissionType, user, topic string, operations []kmsg.ACLOperation) {
	f.t.Helper()
	req := kmsg.NewPtrCreateACLsRequest()
	for _, op := range operations {
		c := kmsg.NewCreateACLsRequestCreation()
		c.ResourceType, c.ResourceName = kmsg.ACLResourceTypeTopic, topic
		if topic == "" {
			c.ResourceName = "*"
		}
		c.ResourcePatternType, c.Principal, c.Host = kmsg.ACLResourcePatternTypeLiteral, "User:"+user, "*"
		c.Operation, c.PermissionType = op, kind
		req.Creations = append(req.Creations, c)
	}
	for _, r := range ask[*kmsg.CreateACLsResponse](f.cluster, req).Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			f.t.Fatalf("the ACL of %s on %s: %v", user, topic, err)
		}
	}
}

// permit lets a user do everything with a topic, whatever was denied before.
func (f *fortress) permit(user, topic string) {
	f.t.Helper()
	f.allow(user, topic, kmsg.ACLOperationAll)
	req := kmsg.NewPtrDeleteACLsRequest()
	filter := kmsg.NewDeleteACLsRequestFilter()
	filter.ResourceType, filter.ResourceName = kmsg.ACLResourceTypeTopic, kmsg.StringPtr(topic)
	filter.ResourcePatternType, filter.Principal = kmsg.ACLResourcePatternTypeLiteral, kmsg.StringPtr("User:"+user)
	filter.Operation, filter.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeDeny
	req.Filters = append(req.Filters, filter)
	for _, r := range ask[*kmsg.DeleteACLsResponse](f.cluster, req).Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			f.t.Fatalf("permit %s on %s: %v", user, topic, err)
		}
	}
}

// renew gives a listener a good certificate while the broker runs: a file that was
// replaced is read again when its setting is set anew.
func (f *fortress) renew(listener, file string) {
	f.t.Helper()
	f.writeFile(file, f.ca.issue("kafka", "127.0.0.1", tomorrow()).both())
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeBroker, "1"
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name = "listener.name." + strings.ToLower(listener) + ".ssl.keystore.location"
	c.Value = kmsg.StringPtr(f.location(file))
	r.Configs = append(r.Configs, c)
	req.Resources = append(req.Resources, r)
	res := ask[*kmsg.IncrementalAlterConfigsResponse](f.cluster, req).Resources[0]
	if err := kerr.ErrorForCode(res.ErrorCode); err != nil {
		f.t.Fatalf("renew %s: %v: %v", listener, err, res.ErrorMessage)
	}
}

// makeTopic makes a topic with these settings, name=value.
func (c *cluster) makeTopic(topic string, partitions int, settings ...string) {
	c.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 15000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, int32(partitions), -1
	for _, s := range settings {
		name, value, _ := strings.Cut(s, "=")
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = name, kmsg.StringPtr(value)
		t.Configs = append(t.Configs, config)
	}
	req.Topics = append(req.Topics, t)
	eventually(c.t, "topic "+topic+" is made", func() error { // one of that name may not be gone yet
		return kerr.ErrorForCode(ask[*kmsg.CreateTopicsResponse](c, req).Topics[0].ErrorCode)
	})
}
