using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using Linformer.Model;
using Linformer.Model.Layers;
using Linformer.Protocol;
using Linformer.Training;
using Linformer.Worker.Jobs;
using TorchSharp;

namespace Linformer.Worker.Ranks;

/// <summary>
/// What a rank process does while it waits for a job: loads the native libraries, and compiles what every job uses. It leaves nothing
/// behind that a job could notice.
/// </summary>
internal static class WarmUp
{
    /// <summary>Set in the environment of a process that is started before there is a job for it.</summary>
    public const string Variable = "LINFORMER_RANK_WARM";

    private const int Vocabulary = 64;

    private const string Job = """
        {"name": "warm", "corpus": {"files": ["none.txt"], "tokenizer": {"kind": "byte-bpe", "vocabularySize": 512}},
         "model": {"layers": 1, "heads": 1, "hidden": 8, "feedForward": 8, "sequenceLength": 16, "projectedLength": 4}, "training": {"steps": 1000, "globalBatch": 1, "microBatch": 1}}
        """;

    private static readonly Assembly[] Compiled =
    [
        typeof(Member).Assembly, typeof(Trainer).Assembly, typeof(MaskedLanguageModel).Assembly, typeof(Data.SequenceDataset).Assembly, typeof(torch).Assembly,
    ];

    /// <summary>Whether this process was started before there was a job.</summary>
    public static bool IsAsked => Environment.GetEnvironmentVariable(Variable) is not null;

    /// <summary>Does it, as far as it goes: what fails here fails again where it is needed, and says so there.</summary>
    /// <returns>Whether it went to the end.</returns>
    public static bool Run()
    {
        try
        {
            BuildModel();
            Array.ForEach(Compiled, Compile);
            return true;
        }
        catch (Exception)
        {
            return false;
        }
    }

    private static void BuildModel()
    {
        var job = JobFileParser.Parse(Encoding.UTF8.GetBytes(Job), "warm").OrThrow();
        using var scope = torch.NewDisposeScope();
        using var model = new MaskedLanguageModel(JobMapping.ModelConfig(job, Vocabulary), new Placement(torch.ScalarType.Float32, torch.CPU));
        Initialization.Apply(model, seed: 1);
    }

    private static void Compile(Assembly assembly)
    {
        const BindingFlags All = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        foreach (var method in assembly.GetTypes().Where(type => !type.ContainsGenericParameters).SelectMany(type => type.GetMethods(All).Cast<MethodBase>().Concat(type.GetConstructors(All))))
        {
            if (method is { IsAbstract: false, ContainsGenericParameters: false } && !method.Attributes.HasFlag(MethodAttributes.PinvokeImpl))
                RuntimeHelpers.PrepareMethod(method.MethodHandle);
        }
    }
}
