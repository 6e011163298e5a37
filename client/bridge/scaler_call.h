/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of KEDA's external scaler: what each requests of the agent, and its answer. */
#ifndef TALLY_BRIDGE_SCALER_CALL_H
#define TALLY_BRIDGE_SCALER_CALL_H

#include "client/bridge/stream.h"

/* The request of the stream is whole. It is answered, now or later. */
void scaler_call_begin(struct stream *stream);

#endif
