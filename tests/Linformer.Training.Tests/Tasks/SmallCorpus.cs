using System.Text;
using Linformer.Data;
using Linformer.Data.Tokenizers;
using Linformer.Model;
using Linformer.Model.Layers;
using Linformer.Training.Tasks;
using Linformer.Training.Tests.Checkpoints;
using TorchSharp;

namespace Linformer.Training.Tests.Tasks;

/// <summary>Made-up text on disk as sequences of 16 tokens, and tiny models and tasks for it.</summary>
internal sealed class SmallCorpus : IDisposable
{
    public const int SequenceLength = 16;
    public const int Seed = 5;

    private readonly TemporaryFolder _folder = new();
    private readonly SequenceDataset _dataset;

    public SmallCorpus(int documents = 60)
    {
        File.WriteAllText(Path.Combine(_folder.Root, "text.txt"), Text(documents));
        var settings = new CorpusSettings { Files = ["text.txt"], VocabularySize = 300, Separator = "" };
        var prepared = CorpusPreparation.Prepare(settings, _folder.Root, Path.Combine(_folder.Root, "cache"));
        Tokenizer = prepared.Tokenizer;
        _dataset = SequenceDataset.Open(prepared.Folder, SequenceLength, heldOut: 0.2, Tokenizer.Special.Separator!.Value);
        Order = new SampleOrder(Training.Count, Seed, shuffleBlock: 4);
    }

    public ITokenizer Tokenizer { get; }

    public SequenceSet Training => _dataset.Training;

    public SequenceSet HeldOut => _dataset.HeldOut;

    public SampleOrder Order { get; }

    public MaskedLanguageModel Model(torch.ScalarType type = torch.ScalarType.Float32, double dropout = 0)
    {
        var config = new LinformerConfig
        {
            VocabularySize = Tokenizer.VocabularySize,
            Layers = 2,
            Heads = 2,
            Hidden = 16,
            FeedForward = 24,
            SequenceLength = SequenceLength,
            ProjectedLength = 4,
            Dropout = dropout,
        };
        var model = new MaskedLanguageModel(config, new Placement(type));
        Initialization.Apply(model, Seed);
        return model;
    }

    public Masker Masker(double probability = 0.3) => new(Seed, Tokenizer.VocabularySize, Tokenizer.Special, probability);

    /// <summary>Cuts the shards off while they are open.</summary>
    public void CutOff()
    {
        foreach (var shard in Directory.GetFiles(_folder.Root, "*.tokens", SearchOption.AllDirectories))
        {
            using var file = new FileStream(shard, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            file.SetLength(0);
        }
    }

    public MaskedLanguageTask Task(MaskedLanguageModel model, Masker? masker = null) =>
        new(model, Training, HeldOut, Tokenizer, Order, masker ?? Masker());

    public void Dispose()
    {
        _dataset.Dispose();
        _folder.Dispose();
    }

    private static string Text(int documents)
    {
        string[] words = ["the", "river", "of", "glass", "and", "seven", "owls", "was", "frozen", "under", "a", "harbour", "light"];
        var random = new Random(3);
        var text = new StringBuilder();
        for (var document = 0; document < documents; document++)
        {
            text.AppendJoin(' ', Enumerable.Range(0, random.Next(3, 40)).Select(_ => words[random.Next(words.Length)])).Append("\n\n");
        }

        return text.ToString();
    }
}
