using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Layers;

/// <summary>A learned vector for each of a number of rows: token or position embeddings.</summary>
public sealed class EmbeddingTable : nn.Module<Tensor, Tensor>
{
    /// <summary>Makes the table; it holds nothing yet (see <see cref="Initialization"/>).</summary>
    /// <param name="rows">Rows of the table.</param>
    /// <param name="width">Width of a row.</param>
    /// <param name="placement">Element type and device of the parameter.</param>
    public EmbeddingTable(long rows, long width, Placement placement)
        : base(nameof(EmbeddingTable))
    {
        Weight = placement.NewParameter(rows, width);
        register_parameter("weight", Weight);
    }

    /// <summary>All rows, [rows, width].</summary>
    public Parameter Weight { get; }

    /// <summary>Row numbers [batch, length] (int64) to rows [batch, length, width].</summary>
    public override Tensor forward(Tensor input)
    {
        var rows = Weight.index_select(0, input.reshape(-1));
        return rows.view(input.shape[0], input.shape[1], Weight.shape[1]);
    }
}
