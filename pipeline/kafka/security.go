package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// TLS of the connections to the brokers. Empty files mean the system's roots and no client certificate; an empty
// ServerName means that a broker's certificate must hold the host that it is reached by.
type TLS struct {
	Enabled    bool   `yaml:"enabled"`
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

// SASL is how the program proves who it is, beside or instead of a client certificate.
type SASL struct {
	// Mechanism is PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; "" for none.
	Mechanism string `yaml:"mechanism"`
	Username  string `yaml:"username"`
	// PasswordFile or PasswordEnv name where the password is: never the password itself.
	PasswordFile string `yaml:"password_file"`
	PasswordEnv  string `yaml:"password_env"`
	// AllowPlaintext permits SASL without TLS: anybody on the way can then read a PLAIN password, or the data after SCRAM.
	AllowPlaintext bool `yaml:"allow_plaintext"`
}

func (t TLS) faults() []error {
	var faults []error
	if !t.Enabled && t != (TLS{}) {
		faults = append(faults, errors.New("tls: has settings but enabled is false"))
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		faults = append(faults, errors.New("tls: cert_file and key_file go together"))
	}
	return faults
}

func (s SASL) faults(encrypted bool) []error {
	var faults []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	switch s.Mechanism {
	case "":
		require(s == SASL{}, "sasl: has settings but no mechanism; name PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
		return faults
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
	default:
		require(false, "sasl.mechanism: %q is not known; use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
	}
	require(s.Username != "", "sasl.username: is empty")
	require((s.PasswordFile == "") != (s.PasswordEnv == ""), "sasl: needs one of password_file and password_env")
	require(encrypted || s.AllowPlaintext, "sasl: without tls.enabled the connection can be read on the way; enable TLS or set sasl.allow_plaintext: true")
	return faults
}

// load reads the certificates; nil without TLS.
func (t TLS) load() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("tls.cert_file: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// load reads the password; nil without SASL.
func (s SASL) load() (sasl.Mechanism, error) {
	if s.Mechanism == "" {
		return nil, nil
	}
	password, err := s.password()
	if err != nil {
		return nil, err
	}
	if s.Mechanism == "PLAIN" {
		return plain.Mechanism{Username: s.Username, Password: password}, nil
	}
	algorithm := scram.SHA256
	if s.Mechanism == "SCRAM-SHA-512" {
		algorithm = scram.SHA512
	}
	mechanism, err := scram.Mechanism(algorithm, s.Username, password)
	if err != nil {
		return nil, fmt.Errorf("sasl: user name or password can't be used with %s: %w", s.Mechanism, err)
	}
	return mechanism, nil
}

func (s SASL) password() (string, error) {
	if s.PasswordFile != "" {
		b, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("sasl.password_file: %w", err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	v, ok := os.LookupEnv(s.PasswordEnv)
	if !ok {
		return "", fmt.Errorf("sasl.password_env: the variable %s is not set", s.PasswordEnv)
	}
	return v, nil
}
