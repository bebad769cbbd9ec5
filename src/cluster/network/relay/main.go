// Relay stands on a cluster's network in place of a machine that the cluster cannot reach. That machine opens all connections to it:
//
//	<token> listen <tcp|udp> <port>   "+<port>" when it listens there, as long as this connection stays open; port 0 for any
//	<token> wait                      is told "<tcp|udp> <port> <address> <port>" of a caller when there is one, answers "+" or "-"
//	<token> dial <address:port>       "+" when it is connected, "-<why>" when it is not
//	<token> ping                      "+"
//
// What follows "+" of wait and dial are frames, both ways: four bytes of length and so many bytes. A frame without bytes is the end of
// that direction; a connection that closes without both of them was reset. So ends and resets pass whatever stands between this
// program and the machine. For datagrams each frame is one of them, its length counted with these four bytes.
//
// With the argument "tunnel" it does something else: tunnel.go says what. In a pod, "keep 15s /run/meeting" and what
// follows serves as long as there are tunnels, which are "tunnel /run/meeting" there: keep.go says why.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const headerSize = 4
const bufferSize = 64 << 10

// Time for the machine to say what it wants, or to connect to what a caller is for.
const patience = 10 * time.Second

// Time without a datagram after which whoever sent them is forgotten, as the kernel's connection tracking does.
const datagramPatience = 120 * time.Second

// A carrier is a connection from the machine.
type carrier struct {
	*net.TCPConn
	reader *bufio.Reader
}

// Carriers that wait for a caller.
var idle = make(chan *carrier, 4096)

// Callers that wait for a carrier.
var waiting atomic.Int32

func main() {
	switch os.Args[1] {
	case "keep":
		grace, err := time.ParseDuration(os.Args[2])
		if err != nil {
			fail(err)
		}
		go serveAll(os.Args[4], os.Args[5])
		keep(grace, os.Args[3])
		return
	case "tunnel":
		if len(os.Args) > 2 {
			meet(os.Args[2])
		}
		runTunnel()
		return
	}
	serveAll(os.Args[1], os.Args[2])
}

// ServeAll takes connections from the machine, and never returns.
func serveAll(address, tokenFile string) {
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		fail(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fail(err)
	}
	acceptAll(listener, func(conn *net.TCPConn) { serve(conn, string(token)) })
	fail(errors.New("the relay does not listen any more"))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func acceptAll(listener net.Listener, handle func(*net.TCPConn)) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Too many open files, or a caller that is gone already.
			time.Sleep(5 * time.Millisecond)
			continue
		}
		go handle(conn.(*net.TCPConn))
	}
}

func serve(conn *net.TCPConn, token string) {
	c := &carrier{conn, bufio.NewReaderSize(conn, bufferSize)}
	line, err := c.readLine()
	words := strings.Fields(line)
	if err != nil || len(words) < 2 || words[0] != token {
		c.Close()
		return
	}
	switch {
	case words[1] == "wait":
		idle <- c
	case words[1] == "dial" && len(words) == 3:
		dial(c, words[2])
	case words[1] == "listen" && len(words) == 4 && words[2] == "tcp":
		listen(c, words[3])
	case words[1] == "listen" && len(words) == 4 && words[2] == "udp":
		listenForDatagrams(c, words[3])
	case words[1] == "ping":
		fmt.Fprintln(c, "+")
		c.Close()
	default:
		fmt.Fprintln(c, "-unknown")
		c.Close()
	}
}

func (c *carrier) readLine() (string, error) {
	c.SetReadDeadline(time.Now().Add(patience))
	defer c.SetReadDeadline(time.Time{})
	return c.reader.ReadString('\n')
}

func dial(c *carrier, address string) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		fmt.Fprintf(c, "-%v\n", err)
		c.Close()
		return
	}
	fmt.Fprintln(c, "+")
	splice(conn.(*net.TCPConn), c)
}

func listen(c *carrier, port string) {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		fmt.Fprintf(c, "-%v\n", err)
		c.Close()
		return
	}
	go acceptAll(listener, func(caller *net.TCPConn) {
		found := take(listener.Addr(), caller.RemoteAddr())
		if found == nil {
			reset(caller)
			return
		}
		splice(caller, found)
	})
	stayOpen(c, listener.Addr(), listener)
}

// Tells the machine the port, and closes what listens there when the machine wants it no more.
func stayOpen(c *carrier, address net.Addr, listener io.Closer) {
	fmt.Fprintf(c, "+%d\n", portOf(address))
	io.Copy(io.Discard, c.reader)
	listener.Close()
	c.Close()
}

// Take finds a carrier whose other end has connected to what the caller is for; nil where nothing is there.
func take(to, from net.Addr) *carrier {
	waiting.Add(1)
	defer waiting.Add(-1)
	for {
		c := <-idle
		caller := netip.MustParseAddrPort(from.String())
		_, err := fmt.Fprintf(c, "%s %d %s %d %d\n", to.Network(), portOf(to), caller.Addr().Unmap().WithZone(""), caller.Port(), waiting.Load()-1)
		if err == nil {
			var answer string
			if answer, err = c.readLine(); err == nil && answer == "+\n" {
				return c
			}
		}
		c.Close()
		// One that broke while it was idle says nothing of the machine.
		if err == nil {
			return nil
		}
	}
}

func portOf(address net.Addr) uint16 {
	return netip.MustParseAddrPort(address.String()).Port()
}

// Splice makes one of two connections: what comes, and how it ends.
func splice(conn *net.TCPConn, c *carrier) {
	var both sync.WaitGroup
	var isBroken atomic.Bool
	both.Add(2)
	go func() {
		defer both.Done()
		if err := toFrames(conn, c); err != nil {
			isBroken.Store(true)
			reset(conn)
			// What came before goes out still.
			c.CloseWrite()
		}
	}()
	go func() {
		defer both.Done()
		if err := fromFrames(c, conn); err != nil {
			isBroken.Store(true)
			reset(conn)
			c.CloseWrite()
			io.Copy(io.Discard, c.reader)
		}
	}()
	both.Wait()
	c.Close()
	if !isBroken.Load() {
		conn.Close()
	}
}

func toFrames(conn *net.TCPConn, c *carrier) error {
	buffer := make([]byte, headerSize+bufferSize)
	for {
		size, err := conn.Read(buffer[headerSize:])
		if err != nil && err != io.EOF {
			return err
		}
		// Without bytes it is the end.
		binary.BigEndian.PutUint32(buffer, uint32(size))
		if _, failed := c.Write(buffer[:headerSize+size]); failed != nil {
			return failed
		}
		if err == io.EOF {
			return nil
		}
	}
}

func fromFrames(c *carrier, conn *net.TCPConn) error {
	header := make([]byte, headerSize)
	buffer := make([]byte, bufferSize)
	for {
		if _, err := io.ReadFull(c.reader, header); err != nil {
			return err
		}
		left := int(binary.BigEndian.Uint32(header))
		if left == 0 {
			return conn.CloseWrite()
		}
		for left > 0 {
			size, err := c.reader.Read(buffer[:min(left, len(buffer))])
			if err != nil {
				return err
			}
			if _, err := conn.Write(buffer[:size]); err != nil {
				return err
			}
			left -= size
		}
	}
}

func reset(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}

func listenForDatagrams(c *carrier, port string) {
	socket, err := net.ListenPacket("udp", ":"+port)
	if err != nil {
		fmt.Fprintf(c, "-%v\n", err)
		c.Close()
		return
	}
	go receive(socket.(*net.UDPConn))
	stayOpen(c, socket.LocalAddr(), socket)
}

// Datagrams of one sender that may wait until the machine has them; others are lost, as datagrams are.
const datagramQueue = 256

// Receive gives each sender a carrier of its own, by which the answers come.
func receive(socket *net.UDPConn) {
	var lock sync.Mutex
	senders := map[netip.AddrPort]chan []byte{}
	buffer := make([]byte, headerSize+bufferSize)
	for {
		size, from, err := socket.ReadFromUDPAddrPort(buffer[headerSize:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		binary.BigEndian.PutUint32(buffer, uint32(headerSize+size))
		frame := append([]byte(nil), buffer[:headerSize+size]...)
		lock.Lock()
		frames, isKnown := senders[from]
		if !isKnown {
			frames = make(chan []byte, datagramQueue)
			senders[from] = frames
			go func() {
				answer(socket, from, frames)
				lock.Lock()
				delete(senders, from)
				lock.Unlock()
			}()
		}
		select {
		case frames <- frame:
		default:
		}
		lock.Unlock()
	}
}

func answer(socket *net.UDPConn, from netip.AddrPort, frames <-chan []byte) {
	c := take(socket.LocalAddr(), net.UDPAddrFromAddrPort(from))
	if c == nil {
		return
	}
	defer c.Close()
	var last atomic.Int64
	stir := func() { last.Store(time.Now().UnixNano()) }
	stir()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		header := make([]byte, headerSize)
		buffer := make([]byte, bufferSize)
		for {
			if _, err := io.ReadFull(c.reader, header); err != nil {
				return
			}
			datagram := buffer[:min(int(binary.BigEndian.Uint32(header))-headerSize, len(buffer))]
			if _, err := io.ReadFull(c.reader, datagram); err != nil {
				return
			}
			stir()
			socket.WriteToUDPAddrPort(datagram, from)
		}
	}()
	look := time.NewTicker(datagramPatience / 4)
	defer look.Stop()
	for {
		select {
		case <-closed:
			return
		case frame := <-frames:
			stir()
			if _, err := c.Write(frame); err != nil {
				return
			}
		case now := <-look.C:
			if now.UnixNano()-last.Load() > int64(datagramPatience) {
				return
			}
		}
	}
}
