// The default generator, the number of threads and the counts of tensors are one per process.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
