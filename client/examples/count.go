// Prints the count of a trigger: go run count.go TRIGGER. Needs github.com/ugorji/go/codec.
package main

import (
	"fmt"
	"net"
	"os"
	"reflect"
	"time"

	"github.com/ugorji/go/codec"
)

// tally calls one method and returns its result.
func tally(path, method string, params ...interface{}) (map[string]interface{}, error) {
	connection, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(6 * time.Second)) // the agent answers within 5
	format := &codec.MsgpackHandle{WriteExt: true}          // str and bin, not the old raw
	format.RawToString, format.SignedInteger = true, true
	format.MapType = reflect.TypeOf(map[string]interface{}{})
	request := []interface{}{0, 1, method, params}
	answer, in := []interface{}{}, codec.NewDecoder(connection, format)
	for err = codec.NewEncoder(connection, format).Encode(request); err == nil; err = in.Decode(&answer) {
		if len(answer) == 4 && answer[0] == int64(1) && answer[1] == int64(1) {
			if failure, failed := answer[2].(map[string]interface{}); failed {
				return nil, fmt.Errorf("%v: %v", failure["name"], failure["message"])
			}
			return answer[3].(map[string]interface{}), nil
		}
	}
	return nil, err
}

func main() {
	path := os.Getenv("TALLY_SOCKET")
	if path == "" {
		path = "/run/tally/tally.sock"
	}
	result, err := tally(path, "count", map[string]interface{}{"trigger": os.Args[1]})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(result["count"])
}
