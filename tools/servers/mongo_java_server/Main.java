import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.ServerVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import io.netty.channel.Channel;
import java.util.List;

/** Runs mongo-java-server, which speaks MongoDB's protocol, with all data in memory. */
public final class Main {
    /** It says that it is MongoDB 5.0, but with the protocol of 4.2, which drivers take no more. */
    private static final MongoVersion VERSION = new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
            return ServerVersion.MONGO_5_0.getVersionArray();
        }

        @Override
        public int getWireVersion() {
            return 13;
        }
    };

    /** Listens on the loopback interface, at the port that is the one argument. */
    public static void main(String[] arguments) {
        MongoServer server = new MongoServer(new Backend().version(VERSION));
        server.bind("127.0.0.1", Integer.parseInt(arguments[0]));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    }

    private static final class Backend extends MemoryBackend {
        /** It knows {@code hello} by its old name alone. */
        @Override
        public Document handleCommand(Channel channel, String database, String name, Document query) {
            return super.handleCommand(channel, database, name.equals("hello") ? "isMaster" : name, query);
        }
    }
}
