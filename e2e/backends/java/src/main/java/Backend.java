import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerServiceDefinition;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.StatusProto;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * A backend by grpc-java: attack.v1.Attack's Echo, Many and Upload, with messages as the bytes that they are. It prints its
 * port, and ends when its standard input does.
 */
public final class Backend {
  private static final String SERVICE = "attack.v1.Attack";

  private static final MethodDescriptor.Marshaller<byte[]> BYTES = new MethodDescriptor.Marshaller<byte[]>() {
    @Override public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override public byte[] parse(InputStream stream) {
      try {
        return stream.readAllBytes();
      } catch (IOException e) {
        throw new IllegalStateException(e);
      }
    }
  };

  public static void main(String[] args) throws Exception {
    Server server = NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
        .maxInboundMessageSize(8 << 20)
        .addService(ServerServiceDefinition.builder(SERVICE)
            .addMethod(method("Echo", MethodDescriptor.MethodType.UNARY), new Echo(1))
            .addMethod(method("Many", MethodDescriptor.MethodType.SERVER_STREAMING), new Echo(3))
            .addMethod(method("Upload", MethodDescriptor.MethodType.BIDI_STREAMING), new Echo(1))
            .build())
        .build().start();
    System.out.println(server.getPort());
    System.in.readAllBytes();
    server.shutdownNow();
  }

  private static MethodDescriptor<byte[], byte[]> method(String name, MethodDescriptor.MethodType type) {
    return MethodDescriptor.newBuilder(BYTES, BYTES)
        .setType(type).setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, name)).build();
  }

  private static <T> Metadata.Key<T> key(String name, Metadata.AsciiMarshaller<T> marshaller) {
    return Metadata.Key.of(name, marshaller);
  }

  private static final Metadata.Key<byte[]> RAW = Metadata.Key.of("x-raw-bin", Metadata.BINARY_BYTE_MARSHALLER);

  /** Answers each message so many times. */
  private static final class Echo implements ServerCallHandler<byte[], byte[]> {
    private final int times;

    Echo(int times) {
      this.times = times;
    }

    @Override public ServerCall.Listener<byte[]> startCall(ServerCall<byte[], byte[]> call, Metadata asked) {
      Metadata headers = new Metadata();
      headers.put(key("x-header", Metadata.ASCII_STRING_MARSHALLER), "h");
      if (asked.containsKey(RAW)) {
        headers.put(RAW, asked.get(RAW));
      }
      Deadline deadline = Context.current().getDeadline();
      headers.put(key("x-left", Metadata.ASCII_STRING_MARSHALLER), deadline == null ? "none"
          : String.format(Locale.ROOT, "%.3f", deadline.timeRemaining(TimeUnit.MILLISECONDS) / 1000.0));
      Metadata trailers = new Metadata();
      trailers.put(key("x-trailer", Metadata.ASCII_STRING_MARSHALLER), "t");
      boolean fails = asked.containsKey(key("x-fail", Metadata.ASCII_STRING_MARSHALLER));
      boolean waits = asked.containsKey(key("x-wait", Metadata.ASCII_STRING_MARSHALLER));
      call.request(1);
      return new ServerCall.Listener<byte[]>() {
        private boolean begun;

        private void begin() {
          if (!begun) {
            begun = true;
            call.sendHeaders(headers);
          }
        }

        @Override public void onMessage(byte[] message) {
          if (fails || waits) {
            call.request(1);
            return;
          }
          begin();
          for (int i = 0; i < times; i++) {
            call.sendMessage(message);
          }
          call.request(1);
        }

        @Override public void onHalfClose() {
          if (waits) {
            return;
          }
          begin();
          if (!fails) {
            call.close(io.grpc.Status.OK, trailers);
            return;
          }
          StatusRuntimeException failure = StatusProto.toStatusRuntimeException(com.google.rpc.Status.newBuilder()
              .setCode(9).setMessage("nöt now")
              .addDetails(Any.pack(ErrorInfo.newBuilder().setReason("BUSY").setDomain("example.com").build())).build());
          trailers.merge(failure.getTrailers());
          call.close(failure.getStatus(), trailers);
        }
      };
    }
  }
}
