using Linformer.Model.Layers;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Linformer.Model.Kernels;

/// <summary>Token and position embeddings, the norm of a post-norm model, dropout.</summary>
internal sealed unsafe class FusedEmbedding(FusedContext context)
{
    private const string Tokens = "encoder.token.weight";
    private const string Positions = "encoder.position.weight";
    private const string NormWeight = "encoder.norm.weight";
    private const string NormBias = "encoder.norm.bias";

    private FusedContext Context => context;

    // The head of a language model is tied to the token embeddings, and has gone backward before.
    private Parameter[] Complete { get; } =
        [.. (context.Config.Normalization == Normalization.Post ? [Tokens, Positions, NormWeight, NormBias] : new[] { Tokens, Positions }).Select(name => context.Parameters[name])];

    private bool Norms => context.Config.Normalization == Normalization.Post;

    /// <summary>Embeds.</summary>
    /// <param name="ids">[batch, length], int64.</param>
    /// <param name="pass">The pass that it belongs to.</param>
    /// <returns>[batch, length, hidden], float32.</returns>
    public Tensor Forward(Tensor ids, FusedPass pass)
    {
        var call = new Call(this, ShapeOf(ids), context.DropoutSeed(), pass);
        return is_grad_enabled() ? Function.apply(context.Parameters[Tokens], ids, call) : call.Forward(ids, saved: null);
    }

    private EmbeddingShape ShapeOf(Tensor ids) => new()
    {
        Batch = ids.shape[0],
        Length = ids.shape[1],
        Vocabulary = context.Config.VocabularySize,
        Positions = context.Config.SequenceLength,
        Hidden = context.Config.Hidden,
        Epsilon = (float)context.Config.NormEpsilon,
        Dropout = context.Drops ? (float)context.Config.Dropout : 0,
    };

    private nint NormOf(Func<string, nint> address, string name) => Norms ? address(name) : 0;

    private sealed class Call(FusedEmbedding embedding, EmbeddingShape shape, ulong seed, FusedPass pass)
    {
        private SavedPool.Saved? _saved;

        public FusedContext Context => embedding.Context;

        public Tensor ForwardForBackward(Tensor ids)
        {
            _saved = Context.Pool.Rent(KernelMethods.EmbeddingSavedBytes(in shape));
            return Forward(ids, _saved.Start);
        }

        public Tensor Forward(Tensor ids, void* saved)
        {
            var y = empty([shape.Batch, shape.Length, shape.Hidden], dtype: ScalarType.Float32);
            Func<string, nint> value = Context.Parameters.Value;
            KernelException.Check(
                KernelMethods.EmbeddingForward(
                    in shape, value(Tokens), value(Positions), embedding.NormOf(value, NormWeight), embedding.NormOf(value, NormBias),
                    Memory.Of(ids), seed, Memory.Of(y), saved, out var error),
                error);
            return y;
        }

        public void Backward(Tensor ids, Tensor dy)
        {
            Func<string, nint> value = Context.Parameters.Value;
            Func<string, nint> gradient = Context.Parameters.Gradient;
            KernelException.Check(
                KernelMethods.EmbeddingBackward(
                    in shape, value(Tokens), value(Positions), embedding.NormOf(value, NormWeight), embedding.NormOf(value, NormBias),
                    Memory.Of(ids), seed, _saved!.Start, Memory.Of(dy),
                    gradient(Tokens), gradient(Positions), embedding.NormOf(gradient, NormWeight), embedding.NormOf(gradient, NormBias), out var error),
                error);
            _saved.Dispose();
            if (pass.Completes(Context.Config.Layers))
            {
                Context.GradientsReady?.Invoke(embedding.Complete);
            }
        }
    }

    /// <summary>The embeddings in the graph: one of their parameters (so that there is a node), the ids, the call.</summary>
    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        public override string Name => "linformer_embedding";

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var (ids, call) = ((Tensor)vars[1], (Call)vars[2]);
            ctx.save_for_backward([ids]);
            ctx.save_data("call", call);
            return call.ForwardForBackward(ids);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            var call = (Call)ctx.get_data("call");
            var ids = ctx.get_saved_variables()[0];
            using var gradient = call.Context.Parameters[Tokens].grad!;
            call.Context.Backward(gradient, () =>
            {
                using var dy = grad_output.contiguous();
                call.Backward(ids, dy);
            });
            ids.Dispose();
            grad_output.Dispose();
            return HandedOver.List(null, null, null);
        }
    }
}
