package storetest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Server is a real redis-server for one test, on a port and in a directory of its own, gone when the test ends.
type Server struct {
	Addr string
	Dir  string

	args []string
	cmd  *exec.Cmd
	out  bytes.Buffer
}

// StartRedis starts redis-server without persistence; args are further options ("--appendonly", "yes"). Without the
// binary the test is skipped, or fails where the environment says CI=true.
func StartRedis(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		const message = "redis-server is not installed: run deploy/install/redis.sh"
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	port := freePort(t)
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), Dir: t.TempDir()}
	s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--appendonly", "no",
		"--maxmemory-policy", "noeviction"}, args...)
	t.Cleanup(s.Kill)
	s.Start(t)
	return s
}

// Start starts the server again after Kill, with whatever its directory holds.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.out.Reset()
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if reply, err := s.Do("PING"); err == nil && (strings.HasPrefix(reply, "+PONG") || strings.HasPrefix(reply, "-NOAUTH")) {
			return
		}
	}
	s.Kill()
	t.Fatalf("redis-server does not answer:\n%s", s.out.String())
}

// Kill ends the server at once, as kill -9 does.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Do sends one inline command and returns the beginning of the raw reply.
func (s *Server) Do(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	reply := make([]byte, 1<<16)
	n, err := conn.Read(reply)
	return string(reply[:n]), err
}

// freePort asks the kernel for a port that leaves room for a cluster bus 10000 above it.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if port < 55000 {
			return strconv.Itoa(port)
		}
	}
	t.Fatal("no free port below 55000")
	return ""
}
