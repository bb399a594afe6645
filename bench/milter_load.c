/*
 * Milter sessions as of an MTA, on unix sockets: milter_load SOCKET SCRIPTS CONNECTIONS RATE MS COUNT
 *
 * Without a rate (0), each of the connections begins its next session when the last one has ended, until the time is
 * over or all sessions have begun. With one, sessions begin at this rate per second, whether or not earlier ones have
 * ended, and their times include that by which they began late. Prints sessions per second, and the median and the 99th
 * percentile of their times in microseconds. SCRIPTS (milter_client.ts) has the exchanges of each session: numbers of
 * four octets as this machine stores them.
 */
#include <arpa/inet.h>
#include <err.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* What is sent before the client waits for answers, and the last answer. */
struct exchange {
  uint32_t length, answers, answer;
  const char *bytes;
};

struct script {
  uint32_t count;
  struct exchange *exchanges;
};

struct session {
  int fd;
  const struct script *script;
  uint32_t at, answers;
  double begun;
  size_t size;
  char received[64 * 1024];
  struct session *next;
};

static struct sockaddr_un address = { AF_UNIX };
static struct script *scripts;
static uint32_t script_count;
static int epoll;
static struct session *spare;
static double *times;
static size_t done, capacity, begun, running;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

static void send_all(int fd, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t count = send(fd, bytes, size, MSG_NOSIGNAL);
    if (count < 0) err(1, "send");
    bytes += count;
    size -= count;
  }
}

static void send_exchange(struct session *session) {
  const struct exchange *exchange = &session->script->exchanges[session->at];
  session->answers = exchange->answers;
  send_all(session->fd, exchange->bytes, exchange->length);
}

static void begin(double when) {
  struct session *session = spare;
  if (session != NULL) spare = session->next;
  else if ((session = malloc(sizeof *session)) == NULL) err(1, "malloc");
  session->fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (session->fd < 0) err(1, "socket");
  if (connect(session->fd, (struct sockaddr *)&address, sizeof address) != 0) err(1, "%s", address.sun_path);
  struct epoll_event event = { EPOLLIN, { .ptr = session } };
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, session->fd, &event) != 0) err(1, "epoll_ctl");
  session->script = &scripts[begun++ % script_count];
  session->at = 0;
  session->begun = when;
  session->size = 0;
  running++;
  send_exchange(session);
}

static void end(struct session *session) {
  send_all(session->fd, "\0\0\0\1Q", 5);
  close(session->fd);
  if (done == capacity) {
    capacity = capacity == 0 ? 4096 : 2 * capacity;
    if ((times = realloc(times, capacity * sizeof *times)) == NULL) err(1, "realloc");
  }
  times[done++] = now() - session->begun;
  session->next = spare;
  spare = session;
  running--;
}

/* Handles what the milter sent. Changes to the message, which precede an answer, do not count. Returns whether it ended. */
static int receive(struct session *session) {
  ssize_t count = recv(session->fd, session->received + session->size, sizeof session->received - session->size, 0);
  if (count < 0) err(1, "recv");
  if (count == 0) errx(1, "The milter closed the connection");
  session->size += count;
  size_t at = 0;
  for (uint32_t length; session->size - at >= 5; at += 4 + length) {
    memcpy(&length, session->received + at, 4);
    length = ntohl(length);
    if (length < 1 || length > sizeof session->received - 4) errx(1, "The milter sent a packet of %u bytes", length);
    if (session->size - at < 4 + length) break;
    char command = session->received[at + 4];
    if (strchr("Ocasyrt", command) == NULL || --session->answers > 0) continue;
    char expected = session->script->exchanges[session->at].answer;
    if (command != expected && !(command == 's' && expected == 'c')) {
      errx(1, "The milter answered %c, not %c", command, expected);
    }
    if (++session->at == session->script->count) {
      end(session);
      return 1;
    }
    send_exchange(session);
  }
  memmove(session->received, session->received + at, session->size - at);
  session->size -= at;
  return 0;
}

static void read_scripts(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) err(1, "%s", path);
#define READ(into, size) if ((size) > 0 && fread(into, size, 1, file) != 1) errx(1, "%s is truncated", path)
  READ(&script_count, 4);
  scripts = calloc(script_count, sizeof *scripts);
  for (uint32_t nth = 0; nth < script_count; nth++) {
    READ(&scripts[nth].count, 4);
    scripts[nth].exchanges = calloc(scripts[nth].count, sizeof(struct exchange));
    for (uint32_t at = 0; at < scripts[nth].count; at++) {
      struct exchange *exchange = &scripts[nth].exchanges[at];
      READ(exchange, 12);
      char *bytes = malloc(exchange->length);
      READ(bytes, exchange->length);
      exchange->bytes = bytes;
    }
  }
  fclose(file);
}

static int ascending(const void *a, const void *b) {
  double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

int main(int words, char **word) {
  if (words != 7) errx(64, "usage: milter_load SOCKET SCRIPTS CONNECTIONS RATE MS COUNT");
  strncpy(address.sun_path, word[1], sizeof address.sun_path - 1);
  read_scripts(word[2]);
  size_t connections = strtoul(word[3], NULL, 10);
  double rate = atof(word[4]), ms = atof(word[5]), count = atof(word[6]);
  if (ms == 0) ms = INFINITY;
  if (count == 0) count = INFINITY;
  epoll = epoll_create1(0);
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event event = { EPOLLIN, { .ptr = NULL } };
  if (epoll < 0 || timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &event) != 0) err(1, "epoll");
  double start = now();
  if (rate == 0) for (size_t nth = 0; nth < connections && nth < count; nth++) begin(now());
  for (;;) {
    double passed = (now() - start) / 1e3;
    if (rate > 0 && passed < ms) {
      double due;
      while ((due = start + begun * 1e6 / rate) <= now()) begin(due);
      struct itimerspec wait = { .it_value = { (time_t)(due / 1e6), (long)fmod(due, 1e6) * 1000 + 1 } };
      timerfd_settime(timer, TFD_TIMER_ABSTIME, &wait, NULL);
    } else if (running == 0) break;
    struct epoll_event events[64];
    int ready = epoll_wait(epoll, events, 64, -1);
    if (ready < 0) err(1, "epoll_wait");
    for (int nth = 0; nth < ready; nth++) {
      uint64_t fired;
      if (events[nth].data.ptr == NULL) (void)!read(timer, &fired, sizeof fired);
      else if (receive(events[nth].data.ptr) && rate == 0 && now() - start < ms * 1e3 && begun < count) begin(now());
    }
  }
  double seconds = (now() - start) / 1e6;
  qsort(times, done, sizeof *times, ascending);
  printf("%.0f %.0f %.0f\n", done / seconds, times[done / 2], times[(size_t)(done * 0.99)]);
}
