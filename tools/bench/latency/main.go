// A TCP proxy that holds back everything it passes on, in either direction, for a given time:
// latency as a network has it, which delays bytes without limiting how many are under way.
//
//	latency LISTEN TARGET DELAY     such as: latency 127.0.0.1:7001 127.0.0.1:6379 500us
package main

import (
	"io"
	"log"
	"net"
	"os"
	"syscall"
	"time"
)

type chunk struct {
	due  time.Time
	data []byte
}

func main() {
	delay, err := time.ParseDuration(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(client, os.Args[2], delay)
	}
}

func serve(client net.Conn, target string, delay time.Duration) {
	server, err := net.Dial("tcp", target)
	if err != nil {
		log.Print(err)
		client.Close()
		return
	}
	go pass(client, server, delay)
	pass(server, client, delay)
}

// Go's own timers round up to whole milliseconds while the process has nothing else to do.
func wait(duration time.Duration) {
	if duration > 0 {
		timespec := syscall.NsecToTimespec(duration.Nanoseconds())
		_ = syscall.Nanosleep(&timespec, nil)
	}
}

func pass(from, to net.Conn, delay time.Duration) {
	chunks := make(chan chunk, 4096)
	go func() {
		defer close(chunks)
		for {
			buffer := make([]byte, 64*1024)
			count, err := from.Read(buffer)
			if count > 0 {
				chunks <- chunk{time.Now().Add(delay), buffer[:count]}
			}
			if err != nil {
				if err != io.EOF {
					log.Print(err)
				}
				return
			}
		}
	}()
	for chunk := range chunks {
		wait(time.Until(chunk.due))
		if _, err := to.Write(chunk.data); err != nil {
			break
		}
	}
	to.Close()
	for range chunks { // so that the reader can end
	}
}
