// What runs in the page: the same calls by each client that people use in browsers. Every case gives a plain object, and
// the Go test compares it with what the call should have given.

import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { GrpcWebClientBase, MethodDescriptor } from "grpc-web";

// run runs all cases against a gateway, one client after another, and returns {client: {case: outcome}}.
export async function run(gateway, schema) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, new Uint8Array(schema)));
  const library = registry.getService("acme.library.v1.Library");
  const callers = {
    "connect-json": connectCaller(library, createConnectTransport({ baseUrl: gateway, useBinaryFormat: false })),
    "connect-binary": connectCaller(library, createConnectTransport({ baseUrl: gateway, useBinaryFormat: true })),
    "connect-grpc-web": connectCaller(library, createGrpcWebTransport({ baseUrl: gateway })),
    "grpc-web-text": grpcWebCaller(library, gateway, "text"),
    "grpc-web-binary": grpcWebCaller(library, gateway, "binary"),
  };
  const outcomes = {};
  for (const [name, caller] of Object.entries(callers)) {
    outcomes[name] = {};
    for (const [test, fn] of Object.entries(cases)) {
      if (test === "streamThatIsLeft" && name === "grpc-web-binary") {
        continue; // this client sees a stream's messages only at its end
      }
      outcomes[name][test] = await Promise.race([fn(caller), late()]).catch((e) => ({ thrown: String(e?.stack ?? e) }));
    }
  }
  return { clients: outcomes, own: await ownCases(gateway) };
}

// ownCases calls by what browsers have of their own. Each gives the titles that it got.
async function ownCases(gateway) {
  const watch = "/v1/shelves/a:watch?limit=3";
  const cases = {
    eventSource: () => new Promise((resolve, reject) => {
      const titles = [];
      const source = new EventSource(gateway + watch);
      source.onmessage = (e) => titles.push(JSON.parse(e.data).book.title);
      source.onerror = () => reject("the connection failed");
      source.addEventListener("end", () => {
        source.close();
        resolve(titles);
      });
    }),
    webSocket: () => new Promise((resolve, reject) => {
      const titles = [];
      const socket = new WebSocket(gateway.replace("http", "ws") + watch);
      socket.onmessage = (e) => titles.push(JSON.parse(e.data).book.title);
      socket.onclose = (e) => (e.code === 1000 ? resolve(titles) : reject("closed with " + e.code));
    }),
    fetchArray: async () => {
      const response = await fetch(gateway + watch, { headers: { accept: "application/json" } });
      return (await response.json()).map((event) => event.book.title);
    },
    fetchLines: async () => {
      const titles = [];
      let rest = "";
      const response = await fetch(gateway + watch);
      for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop();
        titles.push(...lines.map((line) => JSON.parse(line).book.title));
      }
      return titles;
    },
  };
  const outcomes = {};
  for (const [test, fn] of Object.entries(cases)) {
    outcomes[test] = await Promise.race([fn(), late()]).catch((e) => [String(e)]);
  }
  return outcomes;
}

// late bounds a case.
const late = () => new Promise((_, reject) => setTimeout(reject, 2000, "no end after 2 seconds"));

const cases = {
  unary: (c) => c.unary({ name: "shelves/a/books/ü" }, { metadata: { "x-ask": "asked" } }),
  empty: (c) => c.unary({ name: "empty" }),
  large: async (c) => {
    const outcome = await c.unary({ name: "large" });
    return { ...outcome, title: outcome.title?.length };
  },
  failure: (c) => c.unary({ name: "missing" }),
  invalid: (c) => c.unary({ name: "" }),
  deadline: (c) => c.unary({ name: "slow" }, { timeoutMillis: 200 }),
  stream: (c) => c.stream({ name: "shelves/a", limit: 3 }),
  streamOfNothing: (c) => c.stream({ name: "shelves/a", limit: 0 }),
  streamThatFails: (c) => c.stream({ name: "broken", limit: 2 }),
  streamThatFailsAtOnce: (c) => c.stream({ name: "broken", limit: 0 }),
  streamThatIsLeft: (c) => c.stream({ name: "endless", limit: 1 }, { leaveAfter: 1 }),
};

// connectCaller calls by @connectrpc/connect-web.
function connectCaller(library, transport) {
  const client = createClient(library, transport);
  const options = (o, outcome) => ({
    headers: o.metadata,
    timeoutMs: o.timeoutMillis,
    onHeader: (h) => (outcome.header = h.get("x-header")),
    onTrailer: (t) => (outcome.trailer = t.get("x-trailer")),
  });
  return {
    async unary(request, o = {}) {
      const outcome = {};
      try {
        outcome.title = (await client.getBook(request, options(o, outcome))).title;
      } catch (e) {
        Object.assign(outcome, failure(e));
      }
      return outcome;
    },
    async stream(request, o = {}) {
      const outcome = { titles: [] };
      const leave = new AbortController();
      try {
        for await (const event of client.watchShelf(request, { ...options(o, outcome), signal: leave.signal })) {
          outcome.titles.push(event.book.title);
          if (outcome.titles.length === o.leaveAfter) {
            leave.abort();
          }
        }
      } catch (e) {
        Object.assign(outcome, failure(e));
      }
      return outcome;
    },
  };
}

function failure(e) {
  const error = ConnectError.from(e);
  if (error.code === Code.Canceled) {
    return { left: true };
  }
  // connect-web puts the trailers of a call that failed, and for unary calls the headers, into the error.
  const metadata = (name) => error.metadata.get(name) ?? undefined;
  return {
    code: error.code,
    message: error.rawMessage,
    details: error.details.map((d) => d.type),
    trailer: metadata("x-trailer"),
    ...(metadata("x-header") && { header: metadata("x-header") }),
  };
}

// grpcWebCaller calls by grpc-web, whose messages are those of @bufbuild/protobuf here: it asks for no more of them than
// two functions.
function grpcWebCaller(library, gateway, format) {
  const client = new GrpcWebClientBase({ format });
  const call = (kind, method, request, o, outcome, onData) =>
    new Promise((resolve) => {
      const url = `${gateway}/${library.typeName}/${method.name}`;
      const descriptor = new MethodDescriptor(url, kind, Object, Object,
        (m) => toBinary(method.input, m), (bytes) => fromBinary(method.output, bytes));
      const metadata = { ...o.metadata };
      if (o.timeoutMillis) {
        metadata.deadline = String(Date.now() + o.timeoutMillis);
      }
      const message = create(method.input, request);
      const failed = (e) => {
        outcome.code = e.code;
        outcome.message = e.message;
        setTimeout(resolve); // the status comes after
      };
      // A unary call is one whose stream has one message: so headers and trailers can be seen, too.
      const stream = kind === "unary"
        ? client.rpcCall(url, message, metadata, descriptor, (e, m) => {
          if (m) {
            onData(m);
          } else {
            failed(e);
          }
        })
        : client.serverStreaming(url, message, metadata, descriptor).on("data", onData);
      outcome.leave = () => {
        stream.cancel();
        resolve();
      };
      stream.on("metadata", (m) => (outcome.header ??= m["x-header"]));
      stream.on("status", (s) => {
        outcome.trailer ??= s.metadata?.["x-trailer"];
        if (s.code !== 0) {
          outcome.code = s.code;
          outcome.message = decodeURIComponent(s.details ?? "");
        }
      });
      stream.on("error", failed);
      stream.on("end", () => setTimeout(resolve));
    });
  const getBook = library.method.getBook;
  const watchShelf = library.method.watchShelf;
  return {
    async unary(request, o = {}) {
      const outcome = {};
      await call("unary", getBook, request, o, outcome, (m) => (outcome.title = m.title));
      delete outcome.leave;
      return outcome;
    },
    async stream(request, o = {}) {
      const outcome = { titles: [] };
      await call("server_streaming", watchShelf, request, o, outcome, (m) => {
        outcome.titles.push(m.book.title);
        if (outcome.titles.length === o.leaveAfter) {
          outcome.left = true;
          outcome.leave();
        }
      });
      delete outcome.leave;
      return outcome;
    },
  };
}
