// Publishes to JetStream with js_PublishAsync, file storage, one stream of one replica, and
// measures acknowledgements: the peer of the durable publish. Prints one JSON object.
//
//   nats_publish URL EVENTS PAYLOAD_BYTES IN_FLIGHT plain|ids
//
// ids: each message has a Nats-Msg-Id, by which the server drops what it has seen within two
// minutes, as ours does by event_id.

#include <nats/nats.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static int64_t* sent_ns;
static float* took_ms;
static atomic_long acknowledged;
static long events;

static int64_t NowNs(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static double CpuSeconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void Check(natsStatus status, const char* what) {
  if (status == NATS_OK) return;
  fprintf(stderr, "nats_publish: %s: %s\n", what, natsStatus_GetText(status));
  exit(2);
}

// One connection and one stream: its sequence is the number of the message.
static void OnAck(jsCtx* js, natsMsg* message, jsPubAck* ack, jsPubAckErr* error, void* closure) {
  (void)js;
  (void)closure;
  if (error != NULL) {
    fprintf(stderr, "nats_publish: refused: %s\n", error->ErrText);
    exit(1);
  }
  long number = (long)ack->Sequence - 1;
  if (!ack->Duplicate && number >= 0 && number < events) {
    took_ms[number] = (float)((double)(NowNs() - sent_ns[number]) / 1e6);
    atomic_fetch_add(&acknowledged, 1);
  }
  natsMsg_Destroy(message);
}

static void MakeStream(jsCtx* js) {
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  const char* subjects[] = {"bench.events"};
  config.Name = "BENCH";
  config.Subjects = subjects;
  config.SubjectsLen = 1;
  config.Storage = js_FileStorage;
  jsErrCode code = 0;
  Check(js_AddStream(NULL, js, &config, NULL, &code), "the stream");
}

static int ByValue(const void* a, const void* b) {
  float left = *(const float*)a, right = *(const float*)b;
  return (left > right) - (left < right);
}

static double At(double part) {
  long at = (long)(part * (double)events);
  return (double)took_ms[at < events ? at : events - 1];
}

int main(int argc, char** argv) {
  if (argc != 6) {
    fprintf(stderr, "nats_publish URL EVENTS PAYLOAD_BYTES IN_FLIGHT plain|ids\n");
    return 2;
  }
  events = atol(argv[2]);
  int size = atoi(argv[3]);
  int with_ids = strcmp(argv[5], "ids") == 0;
  char* payload = malloc((size_t)size);
  memset(payload, 'x', (size_t)size);
  sent_ns = calloc((size_t)events, sizeof *sent_ns);
  took_ms = calloc((size_t)events, sizeof *took_ms);

  natsConnection* connection = NULL;
  Check(natsConnection_ConnectTo(&connection, argv[1]), "the connection");
  jsOptions options;
  jsOptions_Init(&options);
  options.PublishAsync.MaxPending = atol(argv[4]);
  options.PublishAsync.StallWait = 60000;
  options.PublishAsync.AckHandler = OnAck;
  jsCtx* js = NULL;
  Check(natsConnection_JetStream(&js, connection, &options), "JetStream");
  MakeStream(js);

  double cpu = CpuSeconds();
  int64_t begin = NowNs();
  for (long i = 0; i < events; ++i) {
    char id[32];
    jsPubOptions publish;
    jsPubOptions_Init(&publish);
    snprintf(id, sizeof id, "s00-0012345-%09ld", i);
    publish.MsgId = id;
    sent_ns[i] = NowNs();
    Check(js_PublishAsync(js, "bench.events", payload, size, with_ids ? &publish : NULL),
          "publish");
  }
  jsPubOptions wait;
  jsPubOptions_Init(&wait);
  wait.MaxWait = 120000;
  Check(js_PublishAsyncComplete(js, &wait), "the last acknowledgements");
  // The library counts one as complete before it calls the handler.
  while (atomic_load(&acknowledged) < events) nats_Sleep(1);
  double seconds = (double)(NowNs() - begin) / 1e9;
  cpu = CpuSeconds() - cpu;
  qsort(took_ms, (size_t)events, sizeof *took_ms, ByValue);
  printf(
      "{\"acknowledged\":%ld,\"seconds\":%.3f,\"per_second\":%.0f,\"ack_ms\":{\"p50\":%.2f,\"p99\":"
      "%.2f},\"cpu_seconds\":%.3f}\n",
      events, seconds, (double)events / seconds, At(0.5), At(0.99), cpu);
  jsCtx_Destroy(js);
  natsConnection_Destroy(connection);
  return 0;
}
