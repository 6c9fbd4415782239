package main

import (
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// pageSize is that of x86-64, so that the build machine's own does not show.
const pageSize = 4096

// settle rewrites a bolt file so that its bytes depend on its content alone: every time stamp is the same, and the keys
// lie in order.
func settle(file string) error {
	settled := file + ".settled"
	if err := copyInOrder(file, settled); err != nil {
		return err
	}
	return os.Rename(settled, file)
}

func copyInOrder(from, to string) error {
	source, err := bolt.Open(from, 0o600, &bolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := bolt.Open(to, 0o600, &bolt.Options{NoSync: true, PageSize: pageSize})
	if err != nil {
		return err
	}
	defer target.Close()
	if err := source.Update(fixTimes); err != nil {
		return err
	}
	// Bolt writes the changed buckets of a transaction in the order of a Go map. With one key in a transaction there is
	// but one bucket in each, so that order can't show.
	if err := bolt.Compact(target, source, 1); err != nil {
		return err
	}
	return target.Sync()
}

// fixTimes gives every record the time that the builder gives to all generated files: 2017-04-18 16:30:00 UTC.
func fixTimes(tx *bolt.Tx) error {
	fixed, err := time.Unix(1492533000, 0).UTC().MarshalBinary()
	if err != nil {
		return err
	}
	return tx.ForEach(func(_ []byte, bucket *bolt.Bucket) error { return fixBucket(bucket, fixed) })
}

func fixBucket(bucket *bolt.Bucket, fixed []byte) error {
	for _, key := range []string{"createdat", "updatedat"} {
		if bucket.Get([]byte(key)) != nil {
			if err := bucket.Put([]byte(key), fixed); err != nil {
				return err
			}
		}
	}
	return bucket.ForEachBucket(func(name []byte) error { return fixBucket(bucket.Bucket(name), fixed) })
}
