using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Linformer.Training.Optimizers;
using Linformer.Training.ProcessGroups;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Training.TestRank;

/// <summary>A rank that takes over the state of rank 0 over and over, each time from another state of its own.</summary>
internal static class ExchangeRank
{
    /// <summary>Arguments: rank, world size, folder of the rendezvous, elements of the model.</summary>
    /// <returns>3 when another rank was lost and this one's state is what it was.</returns>
    public static int Run(string[] args)
    {
        var (rank, worldSize, elements) = (int.Parse(args[0]), int.Parse(args[1]), long.Parse(args[3]));
        using var task = new FlatTask(elements);
        using var trainer = new Trainer(task, new TrainingOptions
        {
            Steps = 1,
            GlobalBatch = 8,
            MicroBatch = 1,
            LearningRate = new LearningRateSchedule(ScheduleShape.Constant, 1, 0, 1),
        });
        using var group = Groups.Make(rank, worldSize, args[2], TimeSpan.FromMinutes(10));
        var roots = Fill(trainer, seed: 0);
        while (true)
        {
            var before = Fill(trainer, seed: rank);
            try
            {
                StateExchange.Transfer(trainer, group, root: 0, [.. Enumerable.Range(1, worldSize - 1)], note: [1]);
            }
            catch (ProcessGroupException e)
            {
                var kept = string.Equals(Hash(trainer), before, StringComparison.Ordinal);
                Console.Out.WriteLine($"{(kept ? "kept" : "changed")}: {e.Message}");
                return kept ? 3 : 4;
            }

            Console.Out.WriteLine(string.Equals(Hash(trainer), roots, StringComparison.Ordinal) ? "sum got" : "sum wrong");
        }
    }

    // Returns the hash of the state.
    private static string Fill(Trainer trainer, int seed)
    {
        using var noGrad = no_grad();
        var random = new Random(seed);
        foreach (var buffer in Buffers(trainer))
        {
            var values = new float[buffer.numel()];
            random.NextBytes(MemoryMarshal.AsBytes(values.AsSpan()));
            using var filled = tensor(values);
            buffer.copy_(filled);
        }

        return Hash(trainer);
    }

    private static string Hash(Trainer trainer)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var buffer in Buffers(trainer))
        {
            hash.AppendData(MemoryMarshal.AsBytes(buffer.data<float>().ToArray().AsSpan()));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static Tensor[] Buffers(Trainer trainer) => [trainer.Parameters.Values, trainer.Optimizer.FirstMoment, trainer.Optimizer.SecondMoment];

    private sealed class FlatModel : nn.Module
    {
        public FlatModel(long elements)
            : base(nameof(FlatModel)) => register_parameter("all", new Parameter(zeros(elements)));
    }

    private sealed class FlatTask(long elements) : ITrainingTask
    {
        private readonly FlatModel _model = new(elements);

        public nn.Module Model => _model;

        public long TrainingSequences => 1;

        public long HeldOutSequences => 0;

        public MicroBatchLoss TrainingLoss(long firstSample, int count) => default;

        public MicroBatchLoss HeldOutLoss(long firstSequence, int count) => default;

        public void Dispose() => _model.Dispose();
    }
}
