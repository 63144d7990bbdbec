package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
)

// A message of MongoDB's protocol begins with four little-endian integers: its length, its number,
// the number that it answers, and its kind. In one of the kind opMsg there are flags next.
const (
	headerSize  = 16
	opMsg       = 2013
	moreToCome  = 1 << 1
	longestSize = 48_000_000
)

// serve passes messages on from listener to the server at the Unix socket, writes one at a time.
//
// FerretDB looks for the document of a conditional write first and writes it then, and another
// command can come between. On MongoDB a write of one document is atomic, its condition included.
func serve(ctx context.Context, listener net.Listener, socket string) error {
	go func() {
		<-ctx.Done()
		listener.Close()
	}()
	var turn sync.Mutex
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go pass(client, socket, &turn)
	}
}

// pass serves one client until one side closes its connection.
func pass(client net.Conn, socket string, turn *sync.Mutex) {
	defer client.Close()
	server, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer server.Close()
	for {
		request, err := readMessage(client)
		if err != nil {
			return
		}
		answer, err := ask(server, request, turn)
		if err != nil {
			return
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

// ask sends a request to the server, a write in its turn, and returns the answer; none if none is
// due.
func ask(server net.Conn, request []byte, turn *sync.Mutex) ([]byte, error) {
	switch command(request) {
	case "insert", "update", "delete", "findAndModify", "findandmodify":
		turn.Lock()
		defer turn.Unlock()
	}
	if _, err := server.Write(request); err != nil {
		return nil, err
	}
	isMsg := binary.LittleEndian.Uint32(request[12:]) == opMsg && len(request) >= headerSize+4
	if isMsg && binary.LittleEndian.Uint32(request[headerSize:])&moreToCome != 0 {
		return nil, nil
	}
	return readMessage(server)
}

// command returns the name of a request's command: the first one in its document, which follows the
// flags and a byte, and has its size and the type of that entry before.
func command(request []byte) string {
	const first = headerSize + 4 + 1 + 4 + 1
	if len(request) < first || binary.LittleEndian.Uint32(request[12:]) != opMsg {
		return ""
	}
	name, _, _ := bytes.Cut(request[first:], []byte{0})
	return string(name)
}

func readMessage(from io.Reader) ([]byte, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header)
	if size < headerSize || size > longestSize {
		return nil, io.ErrUnexpectedEOF
	}
	message := make([]byte, size)
	copy(message, header)
	_, err := io.ReadFull(from, message[headerSize:])
	return message, err
}
