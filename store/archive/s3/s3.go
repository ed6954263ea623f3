// Package s3 keeps the files of backups in a bucket of a service that speaks Amazon's S3:
// it is an archive.Depot.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Options say which bucket, and who asks.
type Options struct {
	Endpoint string // URL of the service, for example https://s3.example.com
	Region   string // "": the service is asked
	Bucket   string
	Prefix   string // of all names, without the slash at its end
	// Credentials is a file as Amazon's programs read it, with aws_access_key_id and
	// aws_secret_access_key; "": the environment has AWS_ACCESS_KEY_ID and
	// AWS_SECRET_ACCESS_KEY.
	Credentials string
}

// Bucket is a part of a bucket.
type Bucket struct {
	client *minio.Client
	opt    Options
}

// Open prepares a bucket; it asks nobody yet.
func Open(opt Options) (*Bucket, error) {
	u, err := url.Parse(opt.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is no URL of a service: write https://s3.example.com", opt.Endpoint)
	}
	if opt.Bucket == "" {
		return nil, errors.New("no bucket is named")
	}
	creds := credentials.NewEnvAWS()
	if opt.Credentials != "" {
		if f, err := os.Open(opt.Credentials); err != nil { // the library says nothing of a file that is not there
			return nil, err
		} else {
			f.Close()
		}
		creds = credentials.NewFileAWSCredentials(opt.Credentials, "default")
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: time.Minute, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 4, DisableCompression: true,
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: creds, Secure: u.Scheme == "https", Region: opt.Region, Transport: transport, MaxRetries: 2})
	if err != nil {
		return nil, err
	}
	opt.Prefix = strings.Trim(opt.Prefix, "/")
	return &Bucket{client, opt}, nil
}

// String names it, for people.
func (b *Bucket) String() string { return strings.TrimSuffix("s3:"+b.opt.Bucket+"/"+b.opt.Prefix, "/") }

func (b *Bucket) key(name string) string { return strings.TrimPrefix(b.opt.Prefix+"/"+name, "/") }

// failed makes an error of the library's: what is not there is fs.ErrNotExist.
func (b *Bucket) failed(do, name string, err error) error {
	if err == nil {
		return nil
	}
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchKey, minio.PreconditionFailed: // another has taken its place since it was opened
		err = fs.ErrNotExist
	}
	return fmt.Errorf("%s %s in %s at %s: %w", do, name, b, b.opt.Endpoint, err)
}

// Put stores a file of so many octets, in place of one of that name.
func (b *Bucket) Put(ctx context.Context, name string, in io.Reader, size int64) error {
	_, err := b.client.PutObject(ctx, b.opt.Bucket, b.key(name), in, size, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	return b.failed("store", name, err)
}

// Get opens a file.
func (b *Bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	o, err := b.client.GetObject(ctx, b.opt.Bucket, b.key(name), minio.GetObjectOptions{})
	if err == nil {
		_, err = o.Stat() // it asks only now
	}
	if err != nil {
		return nil, b.failed("read", name, err)
	}
	return &file{o, b, name}, nil
}

// file is one that is read. It may go while it is.
type file struct {
	*minio.Object
	b    *Bucket
	name string
}

func (f *file) Read(p []byte) (int, error) {
	n, err := f.Object.Read(p)
	if err != io.EOF {
		err = f.b.failed("read", f.name, err)
	}
	return n, err
}

// List calls fn for every file.
func (b *Bucket) List(ctx context.Context, fn func(name string, size int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	prefix := b.key("")
	for o := range b.client.ListObjects(ctx, b.opt.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return b.failed("list", "the backups", o.Err)
		}
		fn(strings.TrimPrefix(o.Key, prefix), o.Size)
	}
	return b.failed("list", "the backups", ctx.Err())
}

// Remove removes a file; that there is none is no error.
func (b *Bucket) Remove(ctx context.Context, name string) error {
	return b.failed("remove", name, b.client.RemoveObject(ctx, b.opt.Bucket, b.key(name), minio.RemoveObjectOptions{}))
}
