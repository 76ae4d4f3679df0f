using System.Text.Json.Nodes;
using Linformer.Model.Files;
using Linformer.Model.Interchange.Pickle;
using Linformer.Model.SafeTensors;
using static TorchSharp.torch;

namespace Linformer.Model.Interchange;

/// <summary>A model in another project's names and shapes.</summary>
/// <param name="Tensors">In the order of that project's state dict; disposed with it.</param>
/// <param name="Options">The arguments of that project's constructor, or its config.json.</param>
public sealed record ExportedModel(IReadOnlyList<(string Name, Tensor Tensor)> Tensors, JsonObject Options) : IDisposable
{
    /// <summary>Writes the tensors to a file that appears whole or not at all.</summary>
    /// <param name="path">The file: safetensors if its name ends so, otherwise as torch.save writes it.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Write(string path)
    {
        using var scope = NewDisposeScope();
        var entries = Tensors.Select(t => Weights.Entry(t.Name, t.Tensor.detach().contiguous())).ToList();
        AtomicFile.Write(path, stream =>
        {
            if (path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            {
                // Hugging Face's reader asks for the framework that the tensors are of.
                SafeTensorsWriter.Write(stream, entries, new Dictionary<string, string> { ["format"] = "pt" });
            }
            else
            {
                PyTorchWriter.Write(stream, entries);
            }
        });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var (_, tensor) in Tensors)
        {
            tensor.Dispose();
        }
    }
}
