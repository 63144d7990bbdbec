// Runs go-mysql-server, an engine of its own that answers as MySQL 8 does, in memory.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/sirupsen/logrus"
)

// oneAtATime runs one statement after the other, as if each were atomic, which they are on MySQL.
//
// In memory the engine replaces a table as a whole when a statement ends, with what another one has
// written meanwhile.
type oneAtATime struct {
	mysql.Handler
	turn sync.Mutex
}

func (h *oneAtATime) ComQuery(
	ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn,
) error {
	if !strings.Contains(query, "GET_LOCK(") { // which waits for another statement
		h.turn.Lock()
		defer h.turn.Unlock()
	}
	return h.Handler.ComQuery(ctx, c, query, callback)
}

func (h *oneAtATime) ComMultiQuery(
	ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn,
) (string, error) {
	h.turn.Lock()
	defer h.turn.Unlock()
	return h.Handler.ComMultiQuery(ctx, c, query, callback)
}

func main() {
	address := flag.String("address", "", "where to listen, such as 127.0.0.1:3306")
	database := flag.String("database", "", "name of the first database")
	flag.Parse()

	logrus.SetLevel(logrus.FatalLevel) // it would log statements, which hold tokens
	provider := memory.NewDBProviderWithOpts(memory.NativeIndexProvider(true)).(*memory.DbProvider)
	if err := provider.CreateDatabase(nil, *database); err != nil {
		log.Fatal(err)
	}
	wrapped := func(h mysql.Handler) (mysql.Handler, error) { return &oneAtATime{Handler: h}, nil }
	engine, err := server.NewServerWithHandler(
		server.Config{Protocol: "tcp", Address: *address}, sqle.NewDefault(provider),
		sql.NewContext, memory.NewSessionBuilder(provider), nil, wrapped)
	if err != nil {
		log.Fatal(err)
	}

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		engine.Close()
	}()
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
}
