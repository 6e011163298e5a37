// SPDX-License-Identifier: Apache-2.0
// A Query as KEDA's scaler sends it: the AWS SDK for Go, keys of the environment, one client for all.
//
//	query PORT QUERIES        CPU of each, in microseconds, and the memory afterwards, as JSON
//	query PORT 0 [SECONDS]    prints the first count and waits, so that its memory can be measured
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func count(client *dynamodb.Client) int32 {
	result, err := client.Query(context.Background(), &dynamodb.QueryInput{
		TableName:                aws.String("orders"),
		KeyConditionExpression:   aws.String("#k = :v"),
		ExpressionAttributeNames: map[string]string{"#k": "queue"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":v": &types.AttributeValueMemberS{Value: "pending"}},
		Select:                 types.SelectCount,
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
	if err != nil {
		panic(err)
	}
	return result.Count
}

func main() {
	endpoint := "http://127.0.0.1:" + os.Args[1]
	queries, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	settings, err := config.LoadDefaultConfig(context.Background(),
		config.WithRegion("eu-west-1"),
		config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"),
				os.Getenv("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN"))))
	if err != nil {
		panic(err)
	}
	client := dynamodb.NewFromConfig(settings,
		dynamodb.WithEndpointResolver(dynamodb.EndpointResolverFromURL(endpoint)))
	first := count(client)
	if queries == 0 {
		fmt.Println(first)
		if len(os.Args) > 3 {
			seconds, _ := strconv.Atoi(os.Args[3])
			time.Sleep(time.Duration(seconds) * time.Second)
		}
		return
	}
	for i := 0; i < 200; i++ {
		count(client)
	}
	before := cpu()
	for i := 0; i < queries; i++ {
		count(client)
	}
	used := cpu() - before
	fmt.Printf("{\"cpu_us\": %.3f}\n", float64(used.Nanoseconds())/1000/float64(queries))
	if len(os.Args) > 3 {
		seconds, _ := strconv.Atoi(os.Args[3])
		time.Sleep(time.Duration(seconds) * time.Second)
	}
}
