/*
 * A milter that accepts everything: idle_milter SOCKET. One thread per connection, with the options of `countersign
 * serve`, so that the client sends the same packets. It shows what the protocol and the sockets cost.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int whole(int fd, char *into, size_t size) {
  for (size_t at = 0; at < size;) {
    ssize_t count = read(fd, into + at, size - at);
    if (count <= 0) return 0;
    at += count;
  }
  return 1;
}

static void *session(void *given) {
  int fd = (int)(intptr_t)given;
  static __thread char data[1 << 20];
  for (uint32_t length; whole(fd, (char *)&length, 4);) {
    length = ntohl(length);
    if (length == 0 || length > sizeof data || !whole(fd, data, length) || *data == 'Q') break;
    if (strchr("DCMLNBA", *data)) continue;
    if (*data == 'O') {
      uint32_t options[3] = { htonl(6), 0, htonl(0x1c5182) };
      char answer[17] = { 0, 0, 0, 13, 'O' };
      memcpy(answer + 5, options, 12);
      if (write(fd, answer, 17) != 17) break;
    } else if (write(fd, *data == 'E' ? "\0\0\0\1a" : "\0\0\0\1c", 5) != 5) break;
  }
  close(fd);
  return NULL;
}

int main(int count, char **words) {
  struct sockaddr_un address = { AF_UNIX };
  strncpy(address.sun_path, words[count - 1], sizeof address.sun_path - 1);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 128) != 0) return 1;
  for (;;) {
    pthread_t thread;
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0 && pthread_create(&thread, NULL, session, (void *)(intptr_t)fd) == 0) pthread_detach(thread);
  }
}
