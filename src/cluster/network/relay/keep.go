package main

import (
	"net"
	"os"
	"sync/atomic"
	"time"
)

// In a pod, one process stays as long as tunnels are open beside it, each of which is a command that the API server runs in its
// container. Without one for so long it ends, and with it the Job that owns everything of a suite: whoever has opened them is gone.
// They meet at a socket beside the program.

// Whoever cannot reach the API server cannot open a tunnel either, and is waited for so many times longer.
const awayFactor = 8

func keep(grace time.Duration, meeting string) {
	// Of the process before, where this one was started again.
	os.Remove(meeting)
	listener, err := net.Listen("unix", meeting)
	if err != nil {
		fail(err)
	}
	var open atomic.Int32
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				fail(err)
			}
			open.Add(1)
			go func() {
				// Nothing is ever sent: this ends with the tunnel's process.
				conn.Read(make([]byte, 1))
				conn.Close()
				open.Add(-1)
			}()
		}
	}()
	const second = time.Second
	var alone, away time.Duration
	for alone < grace && away < grace*awayFactor {
		time.Sleep(second)
		switch {
		case open.Load() > 0:
			alone, away = 0, 0
		case isServerThere():
			alone += second
		default:
			away += second
		}
	}
}

func isServerThere() bool {
	address := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// Whoever loses the last reference to a connection closes it, sooner or later.
var met net.Conn

// Meet holds a connection to the process that stays, for as long as this one lives.
func meet(meeting string) {
	var err error
	if met, err = net.Dial("unix", meeting); err != nil {
		fail(err)
	}
}
