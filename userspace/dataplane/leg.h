/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_DATAPLANE_LEG_H
#define PW_DATAPLANE_LEG_H
/*
 * One side of a connection: a TCP socket, with TLS on it or without.
 *
 * I1 eof is only set by a clean end: FIN on a plain leg, close_notify on a TLS leg. A TLS leg that
 * ends without it has an error. I2 Once error is set nothing is written to the leg; what it
 * received before the error can still be read, until drained. I3 may_read and may_write are hints
 * of edge-triggered events: false means that a try would block.
 */
#include "../base/addr.h"
#include <openssl/ssl.h>
#include <sys/types.h>

struct pw_leg {
	int fd;
	SSL *ssl; /* NULL: plain */
	bool may_read;
	bool may_write;
	bool eof;	   /* everything was read, up to a clean end */
	bool shut;	   /* the other leg's end was passed on to this one */
	bool drained;	   /* error is set and nothing is left to read */
	int error;	   /* 0, or -errno: reset, truncated, broken */
	int alert;	   /* TLS alert that the other side sent, 0: none */
	unsigned controls; /* TLS messages since the last byte read */
};
/* The TLS handshake has ended: key updates, tickets and the like are counted from now on, and too
 * many of them without a byte between them are an error of the leg. */
void pw_leg_open(struct pw_leg *leg);
/* > 0 bytes, 0: clean end (eof), -EAGAIN, or the leg's error (then drained). */
ssize_t pw_leg_recv(struct pw_leg *leg, void *buf, size_t len);
/* > 0 bytes, possibly fewer than len; -EAGAIN (TLS: the next call must offer the same bytes); or
 * the leg's error. */
ssize_t pw_leg_send(struct pw_leg *leg, const void *buf, size_t len);
/* Ends our direction: close_notify, then FIN. 0, -EAGAIN, or the leg's error. */
int pw_leg_shutdown(struct pw_leg *leg);
void pw_leg_on_epoll(struct pw_leg *leg, uint32_t events);
int pw_leg_unsent(const struct pw_leg *leg);	 /* bytes not acknowledged by the other side */
size_t pw_leg_queued(const struct pw_leg *leg);	 /* bytes that can be read now */
bool pw_leg_has_ended(const struct pw_leg *leg); /* the other side has sent its FIN, read or not */
void pw_leg_fail(struct pw_leg *leg, int error, bool drained);
/* reset: the other side sees RST; otherwise what the kernel holds is still sent. */
void pw_leg_close(struct pw_leg *leg, bool reset);
/* Options that every socket of the data path has. */
void pw_leg_set_options(int fd, int64_t unacked_timeout_ms, uint32_t unsent_bytes);
/*
 * TCP_USER_TIMEOUT takes a full window for a dead peer, however often that one answers. An open
 * flow must be able to wait for a reader that rests, so it turns the option off and asks here now
 * and then. *since_ms: 0, or since when answers have been due; kept by the caller. True: for
 * timeout_ms at least, and none came.
 */
void pw_leg_no_user_timeout(int fd);
bool pw_leg_is_dead(const struct pw_leg *leg, int64_t now_ms, int64_t timeout_ms,
		    int64_t *since_ms);
/* Turns the last failed TLS call into -EAGAIN or a negative errno, and reads the alert from
 * OpenSSL's queue. */
int pw_leg_tls_error(struct pw_leg *leg, int ret);
#endif
