package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// defaultHealthTimeout is how long health waits for the answer.
const defaultHealthTimeout = 3 * time.Second

func newHealthCommand(env *environment) *cobra.Command {
	var (
		flags   configFlags
		timeout time.Duration
	)
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the running bridge whether it can store callbacks",
		Long: `Ask the bridge that runs on this machine, at ops.listen, whether it can store
callbacks: what /readyz says. It is meant for health checks in containers that have no
shell and no curl. Kafka being away does not make a bridge unhealthy; it stores.

The exit code is 0, or 1 where the bridge cannot store or does not answer. Only the
section ops of the configuration must be right for it.`,
		Example: `  chatbridge health -c chatbridge.yaml
  chatbridge health --set ops.listen=127.0.0.1:9090 --timeout 1s`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := flags.load(env, nil, "ops")
			if err != nil {
				return err
			}
			address, err := reachable(settings.Config.Ops.Listen)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if err := askReady(ctx, address, settings.Config.Ops.TLS.CertFile); err != nil {
				return err
			}
			_, err = fmt.Fprintln(env.stdout, "ready")
			return err
		},
	}
	flags.register(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", defaultHealthTimeout, "how long to wait for the answer")
	return cmd
}

// reachable turns the address that is listened on into one that can be dialed
// from this machine: where it is every interface, loopback is among them.
func reachable(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", usagef("ops.listen: %v", err)
	}
	if port == "0" {
		return "", usagef("ops.listen %s takes any free port, so that nobody can know where to ask; give it a fixed one", listen)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && ip.IsUnspecified() && ip.Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}

// askReady returns nil where the bridge at address can store callbacks. It speaks
// TLS where that has a certificate, and knows the bridge by it.
func askReady(ctx context.Context, address, certFile string) error {
	// No proxy: what is asked is on this machine.
	scheme, transport := "http", &http.Transport{DisableKeepAlives: true}
	if certFile != "" {
		scheme, transport.TLSClientConfig = "https", knownBy(certFile)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: transport}
	response, err := client.Do(request)
	if err != nil {
		if ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return fmt.Errorf("no answer from %s in time: is serve hanging, or is --timeout too short?", address)
		}
		return fmt.Errorf("no bridge answers at %s (is serve running, and with the same ops.listen?): %w", address, err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var condition struct {
		Reasons []string `json:"reasons"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, response.Body, 64<<10)).Decode(&condition); err != nil || len(condition.Reasons) == 0 {
		return fmt.Errorf("what answers at %s says %s and no reason: is it a bridge?", address, response.Status)
	}
	return fmt.Errorf("not ready: %s", strings.Join(condition.Reasons, "; "))
}

// knownBy accepts whoever has the certificate in the file, whatever name it is for:
// the bridge is asked at loopback, for which it has none.
func knownBy(certFile string) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is stricter
		VerifyConnection: func(state tls.ConnectionState) error {
			text, err := os.ReadFile(certFile)
			if err != nil {
				return err
			}
			block, _ := pem.Decode(text)
			if block == nil || len(state.PeerCertificates) == 0 || !bytes.Equal(block.Bytes, state.PeerCertificates[0].Raw) {
				return fmt.Errorf("it has another certificate than %s", certFile)
			}
			return nil
		},
	}
}
