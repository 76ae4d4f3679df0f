using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Linformer.Training.Tests.Trainers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Training.Tests;

/// <summary>A trainer of many parameters, filled with what a seed says.</summary>
internal sealed class LargeState : IDisposable
{
    private readonly Task _task;

    public LargeState(long elements, int seed)
    {
        _task = new Task(elements);
        Trainer = new Trainer(_task, TrainerFixture.Default);
        using var noGrad = no_grad();
        var random = new Random(seed);
        foreach (var buffer in Buffers)
        {
            var values = new float[buffer.numel()];
            random.NextBytes(MemoryMarshal.AsBytes(values.AsSpan()));
            using var filled = tensor(values);
            buffer.copy_(filled);
        }
    }

    public Trainer Trainer { get; }

    private Tensor[] Buffers => [Trainer.Parameters.Values, Trainer.Optimizer.FirstMoment, Trainer.Optimizer.SecondMoment];

    public string Hash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var buffer in Buffers)
        {
            hash.AppendData(MemoryMarshal.AsBytes(buffer.data<float>().ToArray().AsSpan()));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    public void Dispose()
    {
        Trainer.Dispose();
        _task.Dispose();
    }

    private sealed class Flat : nn.Module
    {
        public Flat(long elements)
            : base(nameof(Flat)) => register_parameter("all", new Parameter(zeros(elements)));
    }

    private sealed class Task(long elements) : ITrainingTask
    {
        private readonly Flat _model = new(elements);

        public nn.Module Model => _model;

        public long TrainingSequences => 1;

        public long HeldOutSequences => 0;

        public MicroBatchLoss TrainingLoss(long firstSample, int count) => default;

        public MicroBatchLoss HeldOutLoss(long firstSequence, int count) => default;

        public void Dispose() => _model.Dispose();
    }
}
