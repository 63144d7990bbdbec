// Runs FerretDB, which speaks MongoDB's protocol, on SQLite files in a directory, with commands
// that are atomic, as MongoDB's are.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	address := flag.String("address", "", "where to listen, such as 127.0.0.1:27017")
	directory := flag.String("directory", "", "where to keep the data; it must exist")
	flag.Parse()

	// Not in the directory, whose path may be longer than that of a socket can be.
	place, err := os.MkdirTemp("", "ferretdb-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(place)
	socket := filepath.Join(place, "socket")

	level := &slog.HandlerOptions{Level: slog.LevelError}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: socket},
		Handler:   "sqlite",
		SQLiteURL: "file:" + *directory + "/",
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, level)),
	})
	if err != nil {
		log.Fatal(err)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	go serve(ctx, listener, socket)
	if err := server.Run(ctx); err != nil {
		log.Print(err)
	}
}
