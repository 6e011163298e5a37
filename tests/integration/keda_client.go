// SPDX-License-Identifier: Apache-2.0

// KEDA's calls of an external scaler, made by Debian's gRPC for Go: the program and its lines are
// those of keda_client.mjs.
//
//	keda_client ADDRESS [CA [CLIENT-CHAIN CLIENT-KEY]]
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"os"
	"sync"

	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

const service = "/externalscaler.ExternalScaler/"

// ---- the messages, of which the tags are the description ----

type ref struct {
	Name      string            `protobuf:"bytes,1,opt,name=name,proto3"`
	Namespace string            `protobuf:"bytes,2,opt,name=namespace,proto3"`
	Metadata  map[string]string `json:"scalerMetadata" protobuf:"bytes,3,rep,name=scalerMetadata,proto3" protobuf_key:"bytes,1,opt,name=key,proto3" protobuf_val:"bytes,2,opt,name=value,proto3"`
}

type active struct {
	Result bool `protobuf:"varint,1,opt,name=result,proto3"`
}

// A MetricSpec or a MetricValue, which have the same fields.
type metric struct {
	Name  string  `protobuf:"bytes,1,opt,name=metricName,proto3"`
	Whole int64   `protobuf:"varint,2,opt,name=whole,proto3"`
	Float float64 `protobuf:"fixed64,3,opt,name=float,proto3"`
}

type metrics struct {
	All []*metric `protobuf:"bytes,1,rep,name=all,proto3"`
}

type metricsRequest struct {
	Ref    *ref   `protobuf:"bytes,1,opt,name=scaledObjectRef,proto3"`
	Metric string `protobuf:"bytes,2,opt,name=metricName,proto3"`
}

func (m *ref) Reset()                    { *m = ref{} }
func (m *ref) String() string            { return proto.CompactTextString(m) }
func (m *ref) ProtoMessage()             {}
func (m *active) Reset()                 { *m = active{} }
func (m *active) String() string         { return proto.CompactTextString(m) }
func (m *active) ProtoMessage()          {}
func (m *metric) Reset()                 { *m = metric{} }
func (m *metric) String() string         { return proto.CompactTextString(m) }
func (m *metric) ProtoMessage()          {}
func (m *metrics) Reset()                { *m = metrics{} }
func (m *metrics) String() string        { return proto.CompactTextString(m) }
func (m *metrics) ProtoMessage()         {}
func (m *metricsRequest) Reset()         { *m = metricsRequest{} }
func (m *metricsRequest) String() string { return proto.CompactTextString(m) }
func (m *metricsRequest) ProtoMessage()  {}

// ---- the calls ----

type client struct {
	conn  *grpc.ClientConn
	made  int
	lines sync.Mutex
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func security() grpc.DialOption {
	if len(os.Args) < 3 {
		return grpc.WithInsecure()
	}
	config := &tls.Config{ServerName: "localhost", RootCAs: x509.NewCertPool()}
	ca, err := os.ReadFile(os.Args[2])
	must(err)
	config.RootCAs.AppendCertsFromPEM(ca)
	if len(os.Args) > 4 {
		pair, err := tls.LoadX509KeyPair(os.Args[3], os.Args[4])
		must(err)
		config.Certificates = []tls.Certificate{pair}
	}
	return grpc.WithTransportCredentials(credentials.NewTLS(config))
}

func (c *client) rebuild() {
	if c.conn != nil {
		c.conn.Close()
	}
	conn, err := grpc.Dial(os.Args[1], security())
	must(err)
	c.conn = conn
	c.made++
}

func (c *client) call(method string, in, out interface{}) error {
	return c.conn.Invoke(context.Background(), service+method, in, out)
}

func (c *client) activity(who *ref, specs metrics) (values metrics, is active, err error) {
	for _, spec := range specs.All {
		var some metrics
		if err = c.call("GetMetrics", &metricsRequest{who, spec.Name}, &some); err != nil {
			return
		}
		values.All = append(values.All, some.All...)
	}
	err = c.call("IsActive", who, &is)
	return
}

func (c *client) poll(who *ref) {
	specs := metrics{All: []*metric{{Name: "unknown"}}}
	var values metrics
	var is active
	var answer metrics
	err := c.call("GetMetricSpec", who, &answer)
	if err == nil {
		specs = answer
		values, is, err = c.activity(who, specs)
	}
	if err != nil {
		c.rebuild()
		values, is, err = c.activity(who, specs)
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.print(map[string]interface{}{"spec": rows(specs), "metrics": rows(values), "active": is.Result,
		"clients": c.made})
}

func (c *client) stream(who *ref) {
	stream, err := c.conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true},
		service+"StreamIsActive")
	if err == nil {
		err = stream.SendMsg(who)
	}
	if err == nil {
		err = stream.CloseSend()
	}
	for err == nil {
		var is active
		if err = stream.RecvMsg(&is); err == nil {
			c.print(map[string]interface{}{"active": is.Result})
		}
	}
	c.fail(err)
}

// ---- lines ----

func rows(all metrics) [][]interface{} {
	out := [][]interface{}{}
	for _, one := range all.All {
		out = append(out, []interface{}{one.Name, one.Whole, one.Float})
	}
	return out
}

func (c *client) print(answer map[string]interface{}) {
	c.lines.Lock()
	defer c.lines.Unlock()
	must(json.NewEncoder(os.Stdout).Encode(answer))
}

func (c *client) fail(err error) {
	c.print(map[string]interface{}{"code": int(status.Code(err)), "message": status.Convert(err).Message(),
		"clients": c.made})
}

func main() {
	var c client
	c.rebuild()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var question struct{ Poll, Stream *ref }
		must(json.Unmarshal(lines.Bytes(), &question))
		if question.Poll != nil {
			c.poll(question.Poll)
		} else {
			go c.stream(question.Stream)
		}
	}
}
