package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"shaketable/pipeline"
)

// authority issues certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.cert, a.key, a.pem, _ = a.issue("ca", nil)
	return a
}

// issue makes a certificate, self-signed if the authority has none yet.
func (a *authority) issue(name string, ips []net.IP) (*x509.Certificate, *ecdsa.PrivateKey, string, string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: ips,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        a.cert == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}))
}

// works runs every kind of connection once: produce, group and fetch.
func works(t *testing.T, cfg Config) error {
	t.Helper()
	p, err := NewProducer(cfg)
	if err != nil {
		return err
	}
	defer p.Close()
	p.writer.MaxAttempts = 1
	if err := p.Produce(t.Context(), "detections", pipeline.Record{Key: []byte("k"), Value: []byte("v")}); err != nil {
		return err
	}
	y := newTally()
	_, stop := member(t, cfg, y.serve(pipeline.Detections))
	defer stop()
	eventually(t, "the record is read", func() bool { return y.count() == 1 })
	return nil
}

func TestTLSWithClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	_, _, cert, key := ca.issue("broker", []net.IP{net.IPv4(127, 0, 0, 1)})
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	_, cfg := fake(t, kfake.SeedTopics(1, "detections"), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair},
		ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}))
	_, _, cert, key = ca.issue("worker", nil)
	good := TLS{Enabled: true, CAFile: file(t, "ca.pem", ca.pem), CertFile: file(t, "cert.pem", cert), KeyFile: file(t, "key.pem", key)}
	cfg.TLS = good
	if err := works(t, cfg); err != nil {
		t.Errorf("with a client certificate: %v", err)
	}
	cfg.Timeout = time.Second
	for name, bad := range map[string]TLS{
		"no client certificate":  {Enabled: true, CAFile: good.CAFile},
		"unknown authority":      {Enabled: true, CertFile: good.CertFile, KeyFile: good.KeyFile},
		"another server's name":  {Enabled: true, CAFile: good.CAFile, CertFile: good.CertFile, KeyFile: good.KeyFile, ServerName: "other"},
		"no TLS":                 {},
		"key of another":         {Enabled: true, CAFile: good.CAFile, CertFile: good.CertFile, KeyFile: file(t, "k.pem", func() string { _, _, _, k := ca.issue("x", nil); return k }())},
		"authority is not PEM":   {Enabled: true, CAFile: file(t, "ca.pem", "hello")},
		"authority file missing": {Enabled: true, CAFile: "absent.pem"},
	} {
		cfg.TLS = bad
		s, err := NewSource(cfg, quiet())
		if err == nil {
			_, err = s.Preflight(t.Context(), time.Hour)
			s.Close()
		}
		if err == nil {
			t.Errorf("%s: preflight passes", name)
		}
	}
}

func TestSASL(t *testing.T) {
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			_, cfg := fake(t, kfake.SeedTopics(1, "detections"), kfake.EnableSASL(), kfake.Superuser(mechanism, "worker", "pass word"))
			t.Setenv("TEST_KAFKA_PASSWORD", "pass word")
			cfg.SASL = SASL{Mechanism: mechanism, Username: "worker", PasswordEnv: "TEST_KAFKA_PASSWORD", AllowPlaintext: true}
			if err := works(t, cfg); err != nil {
				t.Errorf("password from the environment: %v", err)
			}
			cfg.SASL.PasswordEnv, cfg.SASL.PasswordFile = "", file(t, "password", "wrong\n")
			s, err := NewSource(cfg, quiet())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			_, err = s.Preflight(t.Context(), time.Hour)
			if err == nil || strings.Contains(err.Error(), "wrong") {
				t.Errorf("wrong password: %v", err)
			}
		})
	}
}

func TestSASLOverTLS(t *testing.T) {
	ca := newAuthority(t)
	_, _, cert, key := ca.issue("broker", []net.IP{net.IPv4(127, 0, 0, 1)})
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	_, cfg := fake(t, kfake.SeedTopics(1, "detections"), kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}),
		kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "worker", "secret"))
	cfg.TLS = TLS{Enabled: true, CAFile: file(t, "ca.pem", ca.pem)}
	cfg.SASL = SASL{Mechanism: "SCRAM-SHA-512", Username: "worker", PasswordFile: file(t, "password", "secret\n")}
	if err := works(t, cfg); err != nil {
		t.Error(err)
	}
}
