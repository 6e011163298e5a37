/* SPDX-License-Identifier: Apache-2.0 */
/* KEDA's external scaler: its requests, and its five messages. Pure.
 *
 * package externalscaler, service ExternalScaler, proto3:
 *   ScaledObjectRef        1 name, 2 namespace, 3 scalerMetadata (map of strings)
 *   GetMetricsRequest      1 scaledObjectRef, 2 metricName
 *   IsActiveResponse       1 result (bool)
 *   GetMetricSpecResponse  1 repeated { 1 metricName, 2 targetSize int64, 3 targetSizeFloat double
 * } GetMetricsResponse     1 repeated { 1 metricName, 2 metricValue int64, 3 metricValueFloat
 * double } */
#ifndef TALLY_BRIDGE_SCALER_H
#define TALLY_BRIDGE_SCALER_H

#include "client/bridge/status.h"
#include "proto/buffer.h"
#include "proto/reader.h"

#include <stdbool.h>
#include <stdint.h>

enum scaler_method {
    SCALER_UNKNOWN, /* any other path: answered UNIMPLEMENTED */
    SCALER_IS_ACTIVE,
    SCALER_STREAM_IS_ACTIVE,
    SCALER_GET_METRIC_SPEC,
    SCALER_GET_METRICS,
};

/* The method of a gRPC path, "/externalscaler.ExternalScaler/IsActive". */
enum scaler_method scaler_method_of(struct text path);

/* Twice Kubernetes' 253 bytes of a name, and more for the trigger's own. */
#define SCALER_TRIGGER_BYTES 640

/* Reads the request of a method, and writes the name of the trigger that it names: `trigger` of
 * its metadata, else namespace/name. `only_namespace` (NULL: any) is the one whose objects are
 * served. GRPC_OK, or another code with the reason in `why`. */
enum grpc_code scaler_read(enum scaler_method method, struct text message,
    const char *only_namespace, char *trigger, char *why, size_t why_size);

/* KEDA puts "s0-" in front of metric names itself: the name without tally's own. Borrowed. */
const char *scaler_metric_name(const char *name);

/* Each writes a whole message. KEDA takes the float where it is above 0, else the integer; older
 * versions know the integer alone, and a target below 1 is 1 for them. */
void scaler_write_active(struct buffer *buffer, bool active);
void scaler_write_spec(struct buffer *buffer, const char *metric_name, double target);
void scaler_write_metric(struct buffer *buffer, const char *metric_name, int64_t count);

#endif
